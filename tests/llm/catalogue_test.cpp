/// The catalogues against llm-wires' list of providers, against the files that they are embedded from, and
/// against the tables that the figures come from: $SALLYPORT_SHARED (default ../shared).

#include "sallyport/llm/catalogue.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>

#include "route_config.hpp"
#include "support/source_tree.hpp"

using namespace sallyport;
using namespace sallyport::llm;

namespace {

json::Document file(const std::filesystem::path& path) {
  std::ifstream stream(path);
  REQUIRE_MESSAGE(stream.is_open(), path.string());
  std::ostringstream text;
  text << stream.rdbuf();
  return test::parsed(text.str());
}

json::Document models_file() { return file(testing::in_source_tree("registry/models.json")); }

std::filesystem::path data(const char* name) {
  const char* shared = std::getenv("SALLYPORT_SHARED");
  return std::filesystem::path(shared ? shared : "../shared") / "data" / name;
}

bool tables_are_missing() {
  return !std::filesystem::exists(data("prices.flat.json")) ||
         !std::filesystem::exists(data("models-dev.compiled.json"));
}

std::optional<double> number_at(std::optional<json::Value> object, std::string_view key) {
  const auto found = object ? object->find(key) : std::nullopt;
  return found ? found->number() : std::nullopt;
}

/// USD per million tokens as picodollars per token, read with a double on purpose: another way than the
/// program's.
std::int64_t pico(std::optional<double> usd, bool zero_is_stated) {
  if (!usd || (*usd == 0 && !zero_is_stated)) return Price::kUnstated;
  return std::llround(*usd * 1e6);
}

/// What the tables state of a model; nullopt where they state no price of both input and output.
std::optional<Price> stated(std::optional<json::Value> row, bool flat, bool free) {
  const auto input = number_at(row, flat ? "in" : "input"), output = number_at(row, flat ? "out" : "output");
  if (!input || !output || (*input == 0 && *output == 0 && !free)) return std::nullopt;
  Price out{.input = pico(input, true), .output = pico(output, true)};
  if (*input == 0 && *output == 0) return out;
  out.cache_read = pico(number_at(row, "cache_read"), false);
  out.cache_write_5m = pico(number_at(row, "cache_write"), false);
  if (flat) out.cache_write_1h = pico(number_at(row, "cache_write_1h"), false);
  return out;
}

}  // namespace

TEST_CASE("every provider that speaks a known wire is in the catalogue") {
  const std::map<std::string, std::string> bases = {
      {"openai", "https://api.openai.com/v1"},
      {"openai-responses", "https://api.openai.com/v1"},
      {"anthropic", "https://api.anthropic.com"},
      {"azure-openai", ""},
      {"openai-compatible", ""},
      {"anthropic-compatible", ""},
      {"groq", "https://api.groq.com/openai/v1"},
      {"together", "https://api.together.xyz/v1"},
      {"fireworks", "https://api.fireworks.ai/inference/v1"},
      {"mistral", "https://api.mistral.ai/v1"},
      {"deepseek", "https://api.deepseek.com"},
      {"xai", "https://api.x.ai/v1"},
      {"cerebras", "https://api.cerebras.ai/v1"},
      {"sambanova", "https://api.sambanova.ai/v1"},
      {"perplexity", "https://api.perplexity.ai"},
      {"deepinfra", "https://api.deepinfra.com/v1/openai"},
      {"openrouter", "https://openrouter.ai/api/v1"},
      {"cohere", "https://api.cohere.ai/compatibility/v1"},
      {"moonshot", "https://api.moonshot.ai/v1"},
      {"moonshot-cn", "https://api.moonshot.cn/v1"},
      {"zai", "https://api.z.ai/api/paas/v4"},
      {"zhipu", "https://open.bigmodel.cn/api/paas/v4"},
      {"alibaba", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"},
      {"siliconflow", "https://api.siliconflow.com/v1"},
      {"novita", "https://api.novita.ai/openai"},
      {"nebius", "https://api.tokenfactory.nebius.com/v1"},
      {"nvidia", "https://integrate.api.nvidia.com/v1"},
      {"huggingface", "https://router.huggingface.co/v1"},
      {"github", "https://models.github.ai/inference"},
      {"hyperbolic", "https://api.hyperbolic.xyz/v1"},
      {"nscale", "https://inference.api.nscale.com/v1"},
      {"upstage", "https://api.upstage.ai/v1/solar"},
      {"ai21", "https://api.ai21.com/studio/v1"},
      {"featherless", "https://api.featherless.ai/v1"},
      {"inference-net", "https://api.inference.net/v1"},
      {"ionet", "https://api.intelligence.io.solutions/api/v1"},
      {"ovh", "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1"},
      {"scaleway", "https://api.scaleway.ai/v1"},
      {"baseten", "https://inference.baseten.co/v1"},
      {"friendli", "https://api.friendli.ai/serverless/v1"},
      {"chutes", "https://llm.chutes.ai/v1"},
      {"vultr", "https://api.vultrinference.com/v1"},
      {"wandb", "https://api.inference.wandb.ai/v1"},
      {"llama", "https://api.llama.com/compat/v1"},
      {"stepfun", "https://api.stepfun.com/v1"},
      {"venice", "https://api.venice.ai/api/v1"},
      {"lambda", "https://api.lambdalabs.com/v1"},
      {"302ai", "https://api.302.ai/v1"},
      {"cloudflare", "https://api.cloudflare.com/client/v4/accounts/{account}/ai/v1"},
      {"minimax", "https://api.minimax.io/anthropic"},
      {"reka", "https://api.reka.ai/v1"},
      {"bytez", "https://api.bytez.com/models/v2/openai/v1"},
      {"ollama", "http://localhost:11434/v1"},
      {"lmstudio", "http://localhost:1234/v1"},
      {"vllm", "http://localhost:8000/v1"},
  };
  for (const auto& [name, base_url] : bases) {
    CAPTURE(name);
    const ProviderKind* kind = provider_kind(name);
    REQUIRE(kind != nullptr);
    CHECK(kind->base_url == base_url);
    CHECK(kind->needs_base_url() == (base_url.empty() || name == "cloudflare"));
  }
  CHECK(provider_kinds().size() == bases.size());
  CHECK(provider_kind("gemini") == nullptr);
  CHECK(provider_kind("") == nullptr);
}

TEST_CASE("every row of the catalogue makes sense") {
  const auto models = models_file();
  const auto lists = *models.root().find("lists");
  std::set<std::string> names;
  for (const ProviderKind& kind : provider_kinds()) {
    CAPTURE(kind.name);
    CHECK(names.insert(kind.name).second);
    CHECK(!kind.wires.empty());
    CHECK(!kind.base_url.ends_with('/'));
    if (!kind.base_url.empty())
      CHECK(kind.base_url.starts_with(kind.local ? "http://localhost:" : "https://"));
    if (!kind.prices.empty()) CHECK(lists.find(kind.prices).has_value());
    CHECK((kind.auth == Auth::none) == kind.local);
    CHECK(kind.azure == !kind.api_version.empty());
  }
}

TEST_CASE("the kinds that differ say how") {
  const ProviderKind &openai = *provider_kind("openai"), &anthropic = *provider_kind("anthropic"),
                     &azure = *provider_kind("azure-openai");
  CHECK(openai.wires == std::vector{Wire::chat, Wire::responses});
  CHECK(openai.embeddings);
  CHECK(openai.auth == Auth::bearer);
  CHECK(openai.environment == "OPENAI_API_KEY");
  CHECK(provider_kind("openai-responses")->wires == std::vector{Wire::responses});
  CHECK(anthropic.wires == std::vector{Wire::messages});
  CHECK(anthropic.auth == Auth::x_api_key);
  CHECK(anthropic.headers ==
        std::vector<std::pair<std::string, std::string>>{{"anthropic-version", "2023-06-01"}});
  CHECK(provider_kind("minimax")->wires == std::vector{Wire::messages});
  CHECK(azure.auth == Auth::api_key);
  CHECK(azure.azure);
  CHECK(provider_kind("bytez")->auth == Auth::key);
  CHECK(provider_kind("reka")->auth == Auth::x_api_key);
  CHECK(provider_kind("ollama")->local);
  CHECK(!provider_kind("cohere")->stream_options);
  CHECK(openai.stream_options);
}

TEST_CASE("a call has its path") {
  struct Row {
    const char* kind;
    Operation operation;
    const char *model, *base_url, *version, *path;
  };
  for (const Row& row : {
           Row{"openai", Operation::chat, "m", "https://x/v1", "", "/chat/completions"},
           Row{"openai", Operation::responses, "m", "https://x/v1", "", "/responses"},
           Row{"openai", Operation::embeddings, "m", "https://x/v1", "", "/embeddings"},
           Row{"openai", Operation::models, "", "https://x/v1", "", "/models"},
           Row{"anthropic", Operation::messages, "m", "https://x", "", "/v1/messages"},
           Row{"anthropic", Operation::count_tokens, "m", "https://x", "", "/v1/messages/count_tokens"},
           Row{"anthropic", Operation::models, "", "https://x", "", "/v1/models"},
           Row{"azure-openai", Operation::chat, "gpt 4/o", "https://x", "",
               "/openai/deployments/gpt%204%2Fo/chat/completions?api-version=2024-10-21"},
           Row{"azure-openai", Operation::chat, "d", "https://x/openai", "2025-04-01-preview",
               "/deployments/d/chat/completions?api-version=2025-04-01-preview"},
           Row{"azure-openai", Operation::embeddings, "d", "https://x", "a&b",
               "/openai/deployments/d/embeddings?api-version=a%26b"},
           Row{"azure-openai", Operation::responses, "d", "https://x", "",
               "/openai/responses?api-version=2024-10-21"},
           Row{"azure-openai", Operation::chat, "d", "https://x/openai/v1", "", "/chat/completions"},
       }) {
    CAPTURE(row.path);
    CHECK(url_path(*provider_kind(row.kind), row.operation, row.model, row.base_url, row.version) ==
          row.path);
  }
  CHECK(operation_of(Wire::chat) == Operation::chat);
  CHECK(operation_of(Wire::responses) == Operation::responses);
  CHECK(operation_of(Wire::messages) == Operation::messages);
}

TEST_CASE("a model is known by its name, or by its name without a date") {
  const Model* sonnet = model("anthropic", "claude-sonnet-4-5");
  REQUIRE(sonnet != nullptr);
  CHECK(sonnet->priced);
  CHECK(sonnet->price == Price{.input = 3'000'000,
                               .output = 15'000'000,
                               .cache_read = 300'000,
                               .cache_write_5m = 3'750'000,
                               .cache_write_1h = 6'000'000});
  CHECK(sonnet->context == 200'000);
  CHECK(sonnet->max_output == 64'000);
  CHECK(sonnet->kind == "chat");
  CHECK(model("anthropic", "claude-sonnet-4-5-20991231") == sonnet);
  const Model* mini = model("openai", "gpt-4o-mini");
  REQUIRE(mini != nullptr);
  CHECK(mini->price.input == 150'000);
  CHECK(mini->price.cache_read == 75'000);
  CHECK(mini->price.cache_write_5m == Price::kUnstated);
  CHECK(model("openai", "gpt-4o-mini-2099-12-31") == mini);
  CHECK_MESSAGE(model("openai", "gpt-4o-2024-05-13")->price.input == 5'000'000,
                "a known date has its own price");
  CHECK(model("openai", "gpt-4o-mini-2099-1-31") == nullptr);
  CHECK(model("openai", "gpt-4o-mini-x") == nullptr);
  CHECK(model("openai", "-20991231") == nullptr);
  CHECK(model("openai", "") == nullptr);
  CHECK(model("nobody", "gpt-4o-mini") == nullptr);
  CHECK(model("", "") == nullptr);
  CHECK(model("openai", "text-embedding-3-small")->kind == "embedding");
  const Model* unpriced = model("cohere", "c4ai-aya-expanse-32b");
  REQUIRE(unpriced != nullptr);
  CHECK(!unpriced->priced);
  CHECK(unpriced->max_output == 4000);
}

TEST_CASE("the embedded catalogue is the file, row by row") {
  const auto models = models_file();
  std::size_t rows = 0;
  for (const auto& list : models.root().find("lists")->members()) {
    for (const auto& row : list.value.find("models")->members()) {
      CAPTURE(list.key());
      CAPTURE(row.key());
      ++rows;
      const Model* known = model(list.key(), row.key());
      REQUIRE(known != nullptr);
      std::size_t column = 0;
      for (const auto element : row.value.elements()) {
        const std::int64_t value = pico(element.number(), true);
        switch (column++) {
          case 0:
            CHECK(known->price.input == value);
            break;
          case 1:
            CHECK(known->price.output == value);
            break;
          case 2:
            CHECK(known->price.cache_read == value);
            break;
          case 3:
            CHECK(known->price.cache_write_5m == value);
            break;
          case 4:
            CHECK(known->price.cache_write_1h == value);
            break;
          case 5:
            CHECK(known->context == element.integer().value_or(0));
            break;
          case 6:
            CHECK(known->max_output == element.integer().value_or(0));
            break;
          case 7:
            CHECK(known->kind == element.string().value_or("chat"));
            break;
          case 8:
            CHECK(known->reasons == (element.integer() != 0));
            CHECK(known->budget == (element.integer() == 1));
            break;
          default:
            CHECK(known->sampling == (element.integer() != 0));
        }
      }
    }
  }
  CHECK(rows > 2000);
}

TEST_CASE("prices and limits are those of the tables that they come from" *
          doctest::skip(tables_are_missing())) {
  const auto flat = file(data("prices.flat.json")), described = file(data("models-dev.compiled.json"));
  std::map<std::string, std::map<std::string, json::Value>> priced;
  for (const auto row : flat.root().find("models")->elements())
    priced[*row.find("provider")->string()][*row.find("model")->string()] = row;

  const auto models = models_file();
  std::size_t compared = 0;
  for (const auto& list : models.root().find("lists")->members()) {
    const std::string name = list.key();
    const auto from = list.value.find("from")->elements();
    const auto first = (*from.begin()).string(), second = (*std::next(from.begin())).string();
    const auto provider = second ? described.root().find(*second) : std::nullopt;
    for (const auto& row : list.value.find("models")->members()) {
      const std::string id = row.key();
      CAPTURE(name);
      CAPTURE(id);
      const Model* known = model(name, id);
      REQUIRE(known != nullptr);
      const bool free = id.ends_with(":free");
      const auto about = provider ? provider->find("models")->find(id) : std::nullopt;
      std::optional<json::Value> figures;
      if (first && priced[*first].contains(id)) figures = priced[*first][id];
      auto price = stated(figures, true, free);
      if (!price) price = stated(about ? about->find("cost") : std::nullopt, false, free);
      CHECK((figures || about));
      CHECK(known->priced == price.has_value());
      CHECK(known->price == price.value_or(Price{}));
      const auto limit = about ? about->find("limit") : std::nullopt;
      CHECK(static_cast<double>(known->context) == number_at(limit, "context").value_or(0));
      CHECK(static_cast<double>(known->max_output) == number_at(limit, "output").value_or(0));
      const auto said = [&](const char* key, std::string_view value) {
        const auto found = about ? about->find(key) : std::nullopt;
        return found && found->raw() == value;
      };
      CHECK(known->reasons == !said("reasoning", "false"));
      CHECK(known->sampling == !said("temperature", "false"));
      if (known->budget) CHECK(about->raw().contains("budget_tokens"));
      ++compared;
    }
    // Nothing with a price is left out but what the notice says.
    if (!first || name == "openrouter") continue;
    for (const auto& [id, row] : priced[*first]) {
      if (id.contains("-lte-") || id.contains("-gt-") || !stated(row, true, false)) continue;
      CAPTURE(name);
      CAPTURE(id);
      CHECK(list.value.find("models")->find(id).has_value());
    }
  }
  CHECK(compared > 2000);
}

TEST_CASE("what a model takes besides a prompt is known where the tables say it") {
  struct Row {
    const char* prices;
    const char* model;
    bool reasons, budget, sampling;
  };
  for (const Row& row :
       {Row{"anthropic", "claude-sonnet-4-5", true, true, true},
        Row{"anthropic", "claude-sonnet-5", true, false, false},
        Row{"anthropic", "claude-3-5-sonnet-20241022", false, false, true},
        Row{"openai", "gpt-5-mini", true, false, false}, Row{"openai", "gpt-4o", false, false, true}}) {
    CAPTURE(row.model);
    const Model* known = model(row.prices, row.model);
    REQUIRE(known != nullptr);
    CHECK(known->reasons == row.reasons);
    CHECK(known->budget == row.budget);
    CHECK(known->sampling == row.sampling);
  }
  CHECK(provider_kind("mistral")->old_limit);
  CHECK_FALSE(provider_kind("openai")->old_limit);
}
