#pragma once

#include <cstddef>
#include <string>

namespace sallyport {

/// Makes `text` as long as `size`; what it gains is not filled: the caller writes it.
inline void resize_unfilled(std::string& text, std::size_t size) {
  // GCC 12's library says the capacity where it should say the size.
  text.resize_and_overwrite(size, [size](char*, std::size_t) { return size; });
}

}  // namespace sallyport
