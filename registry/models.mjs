// Writes models.json beside it (scripts/models): what models cost and how much they take, from the two public tables
// that NOTICE.md names. They are read from $SALLYPORT_SHARED/data (default ../shared/data).
//
// Of both tables: prices from the first where it has them; limits, kinds and the other prices from the second.
import {readFileSync, writeFileSync} from "node:fs";
import {dirname, join} from "node:path";
import {fileURLToPath} from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const data = join(process.env.SALLYPORT_SHARED ?? join(root, "../shared"), "data");
const read = (name) => JSON.parse(readFileSync(join(data, name), "utf8"));

// Our name of a price list: its names in the two tables.
const lists = {
  openai: ["openai", "openai"],
  anthropic: ["anthropic", "anthropic"],
  google: ["google", "google"],
  "azure-openai": ["azure-openai", "azure"],
  groq: ["groq", "groq"],
  mistral: ["mistral-ai", "mistral"],
  deepseek: ["deepseek", "deepseek"],
  xai: ["x-ai", "xai"],
  together: ["together-ai", "togetherai"],
  fireworks: ["fireworks-ai", "fireworks-ai"],
  cerebras: ["cerebras", "cerebras"],
  perplexity: ["perplexity-ai", "perplexity"],
  openrouter: ["openrouter", "openrouter"],
  cohere: ["cohere", "cohere"],
  deepinfra: ["deepinfra", "deepinfra"],
  alibaba: ["dashscope", "alibaba"],
  moonshot: ["moonshot", "moonshotai"],
  zhipu: ["zhipu", "zhipuai"],
  zai: ["z-ai", "zai"],
  novita: ["novita-ai", "novita-ai"],
  nebius: ["nebius", "nebius"],
  minimax: ["minimax", "minimax"],
  ai21: ["ai21", null],
  reka: ["reka-ai", null],
  cloudflare: ["workers-ai", "cloudflare-workers-ai"],
  siliconflow: [null, "siliconflow"],
  huggingface: [null, "huggingface"],
  upstage: [null, "upstage"],
  scaleway: [null, "scaleway"],
  ovh: [null, "ovhcloud"],
  baseten: [null, "baseten"],
  friendli: [null, "friendli"],
  chutes: [null, "chutes"],
  vultr: [null, "vultr"],
  wandb: [null, "wandb"],
  llama: [null, "llama"],
  stepfun: [null, "stepfun"],
  venice: [null, "venice"],
  "302ai": [null, "302ai"],
  ionet: [null, "io-net"],
  "inference-net": [null, "inference"],
};
// Of OpenRouter's long tail, the makers that people route to.
const makers = ["openai", "anthropic", "google", "mistralai", "deepseek", "meta-llama", "qwen", "x-ai", "z-ai", "moonshotai",
  "minimax", "cohere", "amazon", "perplexity", "nvidia", "microsoft"];
// Steps of a price by the size of a prompt or an image; the plain names carry the first step.
const step = /-(lte|gt)-\d+k$/;

const columns = ["input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "context", "max_output", "kind", "thinking", "sampling"];

function kind(name, described) {
  const out = described?.modalities?.output ?? [];
  const is = (words) => words.test(name.toLowerCase());
  if (is(/embed|bge-|gte-|e5-|minilm|voyage/)) return "embedding";
  if (is(/rerank|moderation|sora|veo-/)) return "other";
  if (is(/transcribe|whisper|tts|speech|audio-|lyria|realtime/)) return "audio";
  if (is(/dall-e|imagen|-image|image-|flux|stable-diffusion/)) return "image";
  if (out.length > 0 && !out.includes("text")) return out.includes("image") ? "image" : out.includes("audio") ? "audio" : "other";
  return "chat";
}

/// 0: it does not think. 1: thinking has a budget of tokens. 2: it thinks, as much as it sees fit.
function thinking(described) {
  if (typeof described?.reasoning !== "boolean") return null;
  if (!described.reasoning) return 0;
  return described.reasoning_options?.some(({type}) => type === "budget_tokens") ? 1 : 2;
}

/// Both prices; nothing where a table says nothing, or 0 for what nobody gives away.
function prices(row, free) {
  const [input, output] = row;
  if (input == null || output == null || input < 0 || output < 0) return null;
  if (input === 0 && output === 0) return free ? [0, 0, null, null, null] : null;
  return row.map((price, at) => (at > 1 && !(price > 0) ? null : price ?? null));
}

const first = new Map();
for (const row of read("prices.flat.json").models) {
  if (!first.has(row.provider)) first.set(row.provider, new Map());
  first.get(row.provider).set(row.model, row);
}
const second = read("models-dev.compiled.json");

const out = {};
for (const [name, [priced, described]] of Object.entries(lists)) {
  const rows = (priced && first.get(priced)) || new Map();
  const models = (described && second[described]?.models) || {};
  const wanted = new Set([...rows.keys(), ...Object.keys(models)]);
  const lines = {};
  for (const model of [...wanted].sort()) {
    if (step.test(model)) continue;
    if (name === "openrouter" && !makers.includes(model.split("/")[0])) continue;
    const row = rows.get(model), about = models[model];
    const free = model.endsWith(":free");
    const price = (row && prices([row.in, row.out, row.cache_read, row.cache_write, row.cache_write_1h], free)) ??
      (about?.cost && prices([about.cost.input, about.cost.output, about.cost.cache_read, about.cost.cache_write, null], free)) ??
      [null, null, null, null, null];
    const line = [...price, about?.limit?.context || null, about?.limit?.output || null];
    if (line.every((value) => value === null)) continue;
    const what = kind(model, about);
    line.push(what === "chat" ? null : what, thinking(about), about?.temperature === false ? 0 : null);
    while (line.at(-1) === null) line.pop();
    lines[model] = line;
  }
  out[name] = {from: [priced, described], models: lines};
}

let text = `{"unit": "USD per 1M tokens", "prices_of": "2026-08-21", "limits_of": "2026-07-02",\n "columns": ${JSON.stringify(columns)},\n "lists": {\n`;
text += Object.entries(out).map(([name, {from, models}]) =>
  `${JSON.stringify(name)}: {"from": ${JSON.stringify(from)}, "models": {\n` +
  Object.entries(models).map(([model, line]) => `${JSON.stringify(model)}:${JSON.stringify(line)}`).join(",\n") + "\n}}").join(",\n");
text += "\n}}\n";
writeFileSync(join(root, "registry/models.json"), text);
console.log(`${Object.values(out).reduce((sum, {models}) => sum + Object.keys(models).length, 0)} models, ${text.length} bytes`);
