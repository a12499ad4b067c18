#pragma once
/// What a sealed id says, once its seal was found to be ours.

#include <optional>
#include <string>
#include <string_view>

#include "sallyport/identity/sealed_id.hpp"
#include "sallyport/json/document.hpp"

namespace sallyport::gateway {

class SealedPayload {
 public:
  /// None for what is not ours, for this purpose and `bound`.
  static std::optional<SealedPayload> open(const identity::Sealer& sealer, std::string_view purpose,
                                           std::string_view bound, std::string_view token) {
    auto payload = sealer.open(purpose, bound, token);
    if (!payload) return std::nullopt;
    auto document = json::Document::parse(std::move(*payload));
    if (!document) return std::nullopt;
    return SealedPayload(std::move(*document));
  }
  std::string text(std::string_view key) const {
    const auto member = document_.root().find(key);
    return member ? member->string().value_or("") : "";
  }
  std::int64_t number(std::string_view key) const {
    const auto member = document_.root().find(key);
    return member ? member->integer().value_or(0) : 0;
  }
  /// The member's own bytes; empty: it is not there.
  std::string raw(std::string_view key) const {
    const auto member = document_.root().find(key);
    return member ? std::string(member->raw()) : std::string();
  }

 private:
  explicit SealedPayload(json::Document document) : document_(std::move(document)) {}
  json::Document document_;
};

}  // namespace sallyport::gateway
