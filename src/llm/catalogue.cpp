#include "sallyport/llm/catalogue.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <map>
#include <optional>
#include <span>

#include "sallyport/json/document.hpp"

namespace sallyport::llm {
namespace {

constexpr std::string_view kProviders[] = {
#include "providers.inc"
};
constexpr std::string_view kModels[] = {
#include "models.inc"
};

using PriceList = std::map<std::string, Model, std::less<>>;

struct Catalogue {
  std::vector<ProviderKind> providers;
  std::map<std::string, PriceList, std::less<>> lists;
};

json::Document parsed(std::span<const std::string_view> pieces) {
  std::string text;
  for (const auto piece : pieces) text += piece;
  auto document = json::Document::parse(std::move(text));
  if (!document) {
    // Not a state that a program with passed tests can be in.
    spdlog::critical("the embedded catalogue is no JSON: {}", document.error().what);
    std::abort();
  }
  return *std::move(document);
}

std::string text_at(json::Value object, std::string_view key) {
  const auto found = object.find(key);
  return found ? found->string().value_or("") : std::string();
}

bool flag_at(json::Value object, std::string_view key, bool otherwise = false) {
  const auto found = object.find(key);
  return found ? found->boolean().value_or(otherwise) : otherwise;
}

Auth auth_from(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, Auth>, 4> kNames{
      {{"x-api-key", Auth::x_api_key}, {"api-key", Auth::api_key}, {"key", Auth::key}, {"none", Auth::none}}};
  for (const auto& [known, auth] : kNames) {
    if (known == name) return auth;
  }
  return Auth::bearer;
}

ProviderKind provider_from(json::Value row) {
  ProviderKind out{.name = text_at(row, "name")};
  if (const auto wires = row.find("wires")) {
    for (const auto element : wires->elements()) {
      if (const auto wire = wire_from(element.string().value_or(""))) out.wires.push_back(*wire);
    }
  }
  out.embeddings = flag_at(row, "embeddings");
  out.base_url = text_at(row, "base_url");
  out.auth = auth_from(text_at(row, "auth"));
  if (const auto headers = row.find("headers")) {
    for (const auto& member : headers->members())
      out.headers.emplace_back(member.key(), member.value.string().value_or(""));
  }
  out.environment = text_at(row, "env");
  out.prices = text_at(row, "prices");
  out.local = flag_at(row, "local");
  out.azure = flag_at(row, "azure");
  out.api_version = text_at(row, "api_version");
  out.stream_options = flag_at(row, "stream_options", true);
  out.old_limit = flag_at(row, "old_limit");
  return out;
}

/// "0.075" USD per million tokens as picodollars per token.
std::int64_t price_from(json::Value number) {
  constexpr std::size_t kDigits = 6;
  const auto text = number.raw();
  const auto point = std::min(text.find('.'), text.size());
  std::string digits(text.substr(0, point));
  std::string rest(point < text.size() ? text.substr(point + 1) : "");
  rest.resize(kDigits, '0');
  digits += rest;
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  return error == std::errc{} && end == digits.data() + digits.size() ? out : Price::kUnstated;
}

/// [input, output, cache_read, cache_write_5m, cache_write_1h, context, max_output, kind, thinking (0: none,
/// 1: with a budget, 2: freely), sampling (0: refused)], nulls at the end left out.
Model model_from(json::Value row) {
  Model out{.kind = "chat"};
  const std::array prices{&out.price.input, &out.price.output, &out.price.cache_read,
                          &out.price.cache_write_5m, &out.price.cache_write_1h};
  std::size_t column = 0;
  for (const auto element : row.elements()) {
    const std::size_t at = column++;
    if (element.is(json::Kind::null)) continue;
    if (at < prices.size()) {
      *prices.at(at) = price_from(element);
    } else if (at == prices.size()) {
      out.context = element.integer().value_or(0);
    } else if (at == prices.size() + 1) {
      out.max_output = element.integer().value_or(0);
    } else if (at == prices.size() + 2) {
      out.kind = element.string().value_or("");
    } else if (at == prices.size() + 3) {
      out.reasons = element.integer() != 0;
      out.budget = element.integer() == 1;
    } else {
      out.sampling = element.integer() != 0;
    }
  }
  out.priced = out.price.input != Price::kUnstated && out.price.output != Price::kUnstated;
  return out;
}

Catalogue read() {
  Catalogue out;
  const auto providers = parsed(kProviders), models = parsed(kModels);
  for (const auto row : providers.root().find("providers")->elements())
    out.providers.push_back(provider_from(row));
  for (const auto& list : models.root().find("lists")->members()) {
    PriceList& into = out.lists[list.key()];
    for (const auto& row : list.value.find("models")->members())
      into.emplace(row.key(), model_from(row.value));
  }
  return out;
}

const Catalogue& catalogue() {
  static const Catalogue read_once = read();
  return read_once;
}

bool ends_in(std::string_view text, std::string_view form) {
  if (text.size() <= form.size()) return false;
  text.remove_prefix(text.size() - form.size());
  return std::ranges::equal(text, form,
                            [](char c, char f) { return f == 'd' ? c >= '0' && c <= '9' : c == f; });
}

std::string_view undated(std::string_view name) {
  for (const std::string_view form : {"-dddd-dd-dd", "-dddddddd"}) {
    if (ends_in(name, form)) return name.substr(0, name.size() - form.size());
  }
  return name;
}

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~").contains(c);
    if (plain) {
      out += c;
    } else {
      out.append("%").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
    }
  }
  return out;
}

std::string_view plain_path(Operation operation) {
  switch (operation) {
    case Operation::chat:
      return "/chat/completions";
    case Operation::responses:
      return "/responses";
    case Operation::messages:
      return "/v1/messages";
    case Operation::count_tokens:
      return "/v1/messages/count_tokens";
    case Operation::embeddings:
      return "/embeddings";
    case Operation::models:
      return "/models";
  }
  return "";
}

}  // namespace

const std::vector<ProviderKind>& provider_kinds() { return catalogue().providers; }

const ProviderKind* provider_kind(std::string_view name) {
  const auto& kinds = provider_kinds();
  const auto found = std::ranges::find(kinds, name, &ProviderKind::name);
  return found == kinds.end() ? nullptr : &*found;
}

const Model* model(std::string_view prices, std::string_view name) {
  const auto list = catalogue().lists.find(prices);
  if (list == catalogue().lists.end()) return nullptr;
  auto found = list->second.find(name);
  if (found == list->second.end()) found = list->second.find(undated(name));
  return found == list->second.end() ? nullptr : &found->second;
}

std::vector<std::string_view> models_of(std::string_view prices) {
  std::vector<std::string_view> out;
  const auto list = catalogue().lists.find(prices);
  if (list == catalogue().lists.end()) return out;
  for (const auto& [name, model] : list->second) out.push_back(name);
  return out;
}

Operation operation_of(Wire wire) {
  switch (wire) {
    case Wire::chat:
      return Operation::chat;
    case Wire::responses:
      return Operation::responses;
    case Wire::messages:
      return Operation::messages;
  }
  return Operation::chat;
}

std::string url_path(const ProviderKind& kind, Operation operation, std::string_view model,
                     std::string_view base_url, std::string_view api_version) {
  const std::string_view path = plain_path(operation);
  const bool speaks_messages = std::ranges::find(kind.wires, Wire::messages) != kind.wires.end();
  // Where the base is what Anthropic's SDK takes, the version is part of the path.
  if (operation == Operation::models && speaks_messages) return "/v1/models";
  if (!kind.azure || base_url.ends_with("/openai/v1")) return std::string(path);
  std::string out = base_url.ends_with("/openai") ? "" : "/openai";
  if (operation == Operation::chat || operation == Operation::embeddings)
    out += "/deployments/" + percent_encoded(model);
  out.append(path).append("?api-version=");
  return out + percent_encoded(api_version.empty() ? kind.api_version : api_version);
}

}  // namespace sallyport::llm
