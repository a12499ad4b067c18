// operator new and delete in all their forms. The name ends like that of a test so that every program of this
// folder has it.
#include "failing_new.hpp"

#include <cstdlib>
#include <new>

namespace {

thread_local std::size_t countdown = 0;
thread_local bool failed = false;
thread_local long live = 0;

void* allocate(std::size_t size, std::size_t alignment) noexcept {
  if (countdown > 0 && --countdown == 0) {
    failed = true;
    return nullptr;
  }
  void* memory = nullptr;
  if (alignment > alignof(std::max_align_t)) {
    if (::posix_memalign(&memory, alignment, size) != 0) memory = nullptr;
  } else {
    memory = std::malloc(size > 0 ? size : 1);
  }
  if (memory) ++live;
  return memory;
}

void* must_allocate(std::size_t size, std::size_t alignment) {
  if (void* memory = allocate(size, alignment)) return memory;
  throw std::bad_alloc();
}

void release(void* memory) noexcept {
  if (!memory) return;
  --live;
  std::free(memory);
}

constexpr std::size_t kPlain = alignof(std::max_align_t);

}  // namespace

namespace sallyport::testing {

void fail_allocation(std::size_t n) {
  countdown = n;
  failed = false;
}
bool allocation_failed() {
  countdown = 0;
  return failed;
}
long live_allocations() { return live; }

}  // namespace sallyport::testing

void* operator new(std::size_t n) { return must_allocate(n, kPlain); }
void* operator new[](std::size_t n) { return must_allocate(n, kPlain); }
void* operator new(std::size_t n, std::align_val_t a) {
  return must_allocate(n, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t n, std::align_val_t a) {
  return must_allocate(n, static_cast<std::size_t>(a));
}
void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return allocate(n, kPlain); }
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept { return allocate(n, kPlain); }
void operator delete(void* p) noexcept { release(p); }
void operator delete[](void* p) noexcept { release(p); }
void operator delete(void* p, std::size_t) noexcept { release(p); }
void operator delete[](void* p, std::size_t) noexcept { release(p); }
void operator delete(void* p, std::align_val_t) noexcept { release(p); }
void operator delete[](void* p, std::align_val_t) noexcept { release(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { release(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { release(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { release(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { release(p); }
