// What examples/teams promises: for each agent what it finds at each endpoint, and what comes of its calls. Words that a space
// divides are names; an absent list is empty.

export const ENVIRONMENTS = ['prod', 'staging'];
/** `newcomer` has a key and nothing else; `anonymous` has no key. */
export const PRINCIPALS = ['desk', 'desk-lead', 'stockroom', 'buyer', 'operator', 'trainee', 'newcomer', 'anonymous'];
export const ENDPOINTS = ['/mcp', '/mcp/desk', '/mcp/stockroom', '/mcp/notebook', '/mcp/reports', '/mcp/handbook', '/mcp/lab'];

/** Instead of lists: no such virtual server for this caller; no key. */
export const ABSENT = 'absent';
export const NO_KEY = 'no key';

const each = (prefix, words) => words.split(' ').map((word) => prefix + word).join(' ');

const PAGES = each(
  'docs://',
  'apprentices damaged-parcels gift-cards opening-hours ordering-from-publishers privacy reading-evenings returns shipping ' +
    'stock-taking till-and-closing waiting-list',
);
const DESK_PAGES = each('docs://', 'damaged-parcels gift-cards returns shipping');
const TABLES = 'customers order_lines order_totals orders products';
const NOTES = 'add_observations create_notes open_nodes read_graph search_nodes';

const EVERYTHING = {
  tools: each(
    'everything__',
    'echo get-annotated-message get-resource-links get-resource-reference get-structured-content get-sum get-tiny-image ' +
      'gzip-file-as-resource simulate-research-query toggle-simulated-logging toggle-subscriber-updates ' +
      'trigger-long-running-operation',
  ),
  prompts: each('everything__', 'args-prompt completable-prompt resource-prompt simple-prompt'),
  resources: each(
    'demo://resource/static/document/',
    'architecture.md extension.md features.md how-it-works.md instructions.md startup.md structure.md',
  ),
  templates: each('demo://resource/dynamic/', 'blob/{resourceId} text/{resourceId}'),
};

const HANDBOOK = { tools: 'list_documents read_document search', resources: PAGES, templates: 'docs://{name}' };
const REPORTS = { tools: 'best_customers low_stock orders_by_status' };

/** What lists show in one environment: PRINCIPAL -> ENDPOINT -> lists, ABSENT or NO_KEY; nothing: empty lists. */
export function listsIn(environment) {
  const prod = environment === 'prod';
  const shop = prod ? 'shop' : 'shop-staging';
  const uri = prod ? 'db://tables/' : 'shop-staging+db://tables/';
  const lab = prod ? ABSENT : {};
  const folders = 'files__list_directory files__read_text_file files__search_files';
  const support = `docs__read_document docs__search ${folders} ${shop}__query`;
  const desk = 'ask_orders list_drafts read_page read_text_file search_handbook';
  const pages = { prompts: 'docs__answer_from_documents', resources: PAGES, templates: 'docs://{name}' };
  const supportAtStockroom = { tools: 'handbook_read_document handbook_search list_counts query read_text_file' };
  const stock =
    'docs__read_document docs__search memory__add_observations memory__create_entities memory__open_nodes ' +
    `memory__read_graph memory__search_nodes ${each(`${shop}__`, 'describe_table list_tables query')}`;
  const tables = { prompts: `${shop}__explore_table`, resources: each(uri, TABLES), templates: `${uri}{name}` };
  const shelves = { prompts: 'explore_table', resources: each(uri, 'order_lines order_totals orders products') };
  const everywhere = { '/mcp/reports': REPORTS, '/mcp/handbook': HANDBOOK, '/mcp/lab': lab };
  const outside = { ...everywhere, '/mcp/desk': ABSENT };

  return {
    desk: {
      ...everywhere,
      '/mcp': { tools: support, ...pages },
      '/mcp/desk': { tools: desk, prompts: 'answer_customer', resources: DESK_PAGES },
      '/mcp/stockroom': supportAtStockroom,
    },
    'desk-lead': {
      ...everywhere,
      '/mcp': { tools: `${support} files__write_file`, ...pages },
      '/mcp/desk': { tools: `${desk} write_file`, prompts: 'answer_customer', resources: DESK_PAGES },
      '/mcp/stockroom': supportAtStockroom,
    },
    stockroom: {
      ...outside,
      '/mcp': { tools: `${stock} ${folders}`, ...tables },
      '/mcp/stockroom': {
        tools: 'describe_table handbook_read_document handbook_search list_counts list_tables query read_text_file',
        ...shelves,
      },
      '/mcp/notebook': { tools: NOTES },
    },
    buyer: {
      ...outside,
      '/mcp': { tools: stock, ...tables },
      // It has no folder, so `list_counts` cannot be made for it.
      '/mcp/stockroom': { tools: 'describe_table handbook_read_document handbook_search list_tables query', ...shelves },
      '/mcp/notebook': { tools: NOTES },
    },
    operator: {
      ...everywhere,
      '/mcp': joined(
        {
          tools:
            'docs__list_documents docs__read_document docs__reindex docs__search files__list_allowed_directories ' +
            'memory__add_observations memory__create_entities memory__create_relations memory__open_nodes ' +
            `memory__read_graph memory__search_nodes ${each(`${shop}__`, 'describe_table list_tables')}`,
        },
        pages,
        tables,
        prod ? {} : EVERYTHING,
      ),
      '/mcp/desk': { tools: 'read_page search_handbook', prompts: 'answer_customer', resources: DESK_PAGES },
      '/mcp/stockroom': { tools: 'describe_table handbook_read_document handbook_search list_tables', ...shelves },
      '/mcp/notebook': { tools: NOTES },
      '/mcp/lab': prod
        ? ABSENT
        : {
            tools: each(
              'try_',
              'echo get-annotated-message get-resource-links get-resource-reference get-structured-content get-sum ' +
                'get-tiny-image',
            ),
            prompts: 'try_simple-prompt',
          },
    },
    trainee: outside,
    newcomer: { ...outside, '/mcp/reports': ABSENT },
    anonymous: { ...Object.fromEntries(ENDPOINTS.map((one) => [one, NO_KEY])), '/mcp/handbook': HANDBOOK },
  };
}

function joined(...lists) {
  const out = {};
  for (const list of lists)
    for (const [sort, words] of Object.entries(list)) out[sort] = out[sort] ? `${out[sort]} ${words}` : words;
  return out;
}

/** How a call is refused: it answers as a tool that does not exist; by policy; for what it may not send. */
export const UNKNOWN = 'unknown';
export const DENIED = 'denied';
export const NOT_YOURS = 'not to be sent';

const sql = (text) => ({ sql: text });
const rows = (...all) => ({ rows: all });
const ORDER_112 = 'SELECT customer, status FROM order_totals WHERE order_id = 112';

/**
 * Calls at one endpoint by one agent. `gives`: a text in the answer, {rows}, or {hits}: how many. `refused`: how, and `rule`: the
 * one that `why` names (none for an argument that the virtual server keeps for itself). `in`: the one environment in which
 * that is so. `file`: what a file below run/shared holds afterwards.
 */
export const CALLS = [
  { who: 'desk', at: '/mcp/desk', what: 'a search of the handbook is cut at three pages by a preset',
    tool: 'search_handbook', args: { question: 'parcel refund return stock' }, gives: { hits: 3 } },
  { who: 'desk', at: '/mcp/desk', what: 'a preset is not the caller\'s to send',
    tool: 'search_handbook', args: { question: 'refund', limit: 20 }, refused: NOT_YOURS },
  { who: 'desk', at: '/mcp/desk', what: 'a hidden argument is not the caller\'s to send',
    tool: 'ask_orders', args: { sql: 'SELECT * FROM order_totals', max_rows: 1000 }, refused: NOT_YOURS },
  { who: 'desk', at: '/mcp/desk', what: 'reads a page under its new name',
    tool: 'read_page', args: { name: 'returns' }, gives: 'within thirty days' },
  { who: 'desk', at: '/mcp/desk', what: 'asks the view that it may ask', in: 'prod',
    tool: 'ask_orders', args: sql(ORDER_112), gives: rows(['Piotr Zając', 'open']) },
  { who: 'desk', at: '/mcp/desk', what: 'asks the other database in the other environment', in: 'staging',
    tool: 'ask_orders', args: sql(ORDER_112), gives: rows(['Customer 7', 'open']) },
  { who: 'desk', at: '/mcp/desk', what: 'asks no other table',
    tool: 'ask_orders', args: sql('SELECT name, city FROM customers'), refused: DENIED, rule: 'default' },
  { who: 'desk', at: '/mcp/desk', what: 'reaches no other table by a union',
    tool: 'ask_orders', args: sql('SELECT status FROM order_totals WHERE 0 UNION SELECT city FROM customers'),
    refused: DENIED, rule: 'default' },
  { who: 'desk', at: '/mcp', what: 'reaches no other table outside of the virtual server', in: 'prod',
    tool: 'shop__query', args: sql('SELECT name, city FROM customers'), refused: DENIED, rule: 'default' },
  { who: 'desk', at: '/mcp', what: 'finds the real database in prod alone', in: 'staging',
    tool: 'shop__query', args: sql('SELECT * FROM order_totals'), refused: UNKNOWN, rule: 'staging#1' },
  { who: 'desk', at: '/mcp', what: 'finds the made-up database in staging alone', in: 'prod',
    tool: 'shop-staging__query', args: sql('SELECT * FROM order_totals'), refused: UNKNOWN, rule: 'prod#1' },
  { who: 'desk', at: '/mcp/desk', what: 'lists its own folder, from a claim',
    tool: 'list_drafts', args: {}, gives: 'late-parcel.md' },
  { who: 'desk', at: '/mcp/desk', what: 'cannot name another folder instead',
    tool: 'list_drafts', args: { path: 'stock' }, refused: NOT_YOURS },
  { who: 'desk', at: '/mcp/desk', what: 'reads a draft of its team',
    tool: 'read_text_file', args: { path: 'support/late-parcel.md' }, gives: 'your parcel left us' },
  { who: 'desk', at: '/mcp/desk', what: 'reads nothing of another team',
    tool: 'read_text_file', args: { path: 'stock/counts.md' }, refused: DENIED, rule: 'default' },
  { who: 'desk', at: '/mcp/desk', what: 'does not climb out of its folder',
    tool: 'read_text_file', args: { path: 'support/../stock/counts.md' }, refused: DENIED, rule: 'folders-have-walls#1' },
  { who: 'desk', at: '/mcp/desk', what: 'writes nothing',
    tool: 'write_file', args: { path: 'support/x.md', content: 'x' }, refused: UNKNOWN, rule: 'default' },
  { who: 'desk-lead', at: '/mcp/desk', what: 'as a lead writes into its folder',
    tool: 'write_file', args: { path: 'support/answered.md', content: 'Sent on Friday.\n' }, gives: 'Successfully wrote',
    file: ['support/answered.md', 'Sent on Friday.\n'] },
  { who: 'desk-lead', at: '/mcp/desk', what: 'writes into no other folder',
    tool: 'write_file', args: { path: 'stock/counts.md', content: 'none' }, refused: DENIED, rule: 'default',
    file: ['stock/counts.md', 'Shelf 4: 22 Knots and Splices, counted twice.\n'] },
  { who: 'desk', at: '/mcp', what: 'rebuilds no index', tool: 'docs__reindex', args: {}, refused: UNKNOWN, rule: 'default' },
  { who: 'desk', at: '/mcp/stockroom', what: 'gains nothing from a selection made for others',
    tool: 'list_tables', args: {}, refused: UNKNOWN, rule: 'default' },

  { who: 'stockroom', at: '/mcp/stockroom', what: 'lists its own folder by the same tool',
    tool: 'list_counts', args: {}, gives: 'counts.md' },
  { who: 'stockroom', at: '/mcp/stockroom', what: 'reads what the desk may not',
    tool: 'read_text_file', args: { path: 'stock/counts.md' }, gives: 'counted twice' },
  { who: 'stockroom', at: '/mcp/stockroom', what: 'asks for stock',
    tool: 'query', args: sql('SELECT stock FROM products WHERE title = \'Knots and Splices\''), gives: rows([22]) },
  { who: 'stockroom', at: '/mcp/stockroom', what: 'sees no customers', in: 'prod',
    tool: 'query', args: sql('SELECT name FROM Customers WHERE id = 1'), refused: DENIED, rule: 'personal-data#1' },
  { who: 'stockroom', at: '/mcp/stockroom', what: 'sees customers whose names are made up', in: 'staging',
    tool: 'query', args: sql('SELECT name FROM Customers WHERE id = 1'), gives: rows(['Customer 1']) },
  { who: 'stockroom', at: '/mcp/notebook', what: 'begins notes on a publisher', in: 'prod',
    tool: 'create_notes', args: entity('Harbour Press', 'publisher'), gives: 'Harbour Press' },
  { who: 'buyer', at: '/mcp/notebook', what: 'reads the notes of a colleague',
    tool: 'search_nodes', args: { query: 'Harbour' }, gives: 'Harbour Press' },
  { who: 'buyer', at: '/mcp/notebook', what: 'takes no notes on people',
    tool: 'create_notes', args: entity('Mina Okafor', 'customer'), refused: DENIED, rule: 'default' },
  { who: 'buyer', at: '/mcp', what: 'deletes no notes',
    tool: 'memory__delete_entities', args: { entityNames: ['Harbour Press'] }, refused: UNKNOWN, rule: 'guard-rails#1' },
  { who: 'buyer', at: '/mcp/stockroom', what: 'has no folder to list',
    tool: 'list_counts', args: {}, refused: UNKNOWN, rule: 'default' },

  { who: 'operator', at: '/mcp', what: 'rebuilds the index', tool: 'docs__reindex', args: {}, gives: '"documents":12' },
  { who: 'operator', at: '/mcp', what: 'deletes no notes, though it may use all of the server',
    tool: 'memory__delete_entities', args: { entityNames: ['Harbour Press'] }, refused: UNKNOWN, rule: 'guard-rails#1' },
  { who: 'operator', at: '/mcp', what: 'puts no questions to the shop', in: 'prod',
    tool: 'shop__query', args: sql('SELECT 1'), refused: UNKNOWN, rule: 'default' },
  { who: 'operator', at: '/mcp/lab', what: 'tries a server in staging', in: 'staging',
    tool: 'try_echo', args: { message: 'grüße' }, gives: 'Echo: grüße' },
  { who: 'operator', at: '/mcp/lab', what: 'sees no environment of a process', in: 'staging',
    tool: 'try_get-env', args: {}, refused: UNKNOWN, rule: 'guard-rails#2' },

  { who: 'trainee', at: '/mcp/reports', what: 'gets a report, though no rule lets it ask the shop',
    tool: 'low_stock', args: {},
    gives: rows(['Bread Without Hurry', 0], ['Sea Chart Reprint, 1871', 2], ['The Patient Gardener', 3]) },
  { who: 'trainee', at: '/mcp/reports', what: 'cannot put another question in its place',
    tool: 'low_stock', args: sql('SELECT * FROM customers'), refused: NOT_YOURS },
  { who: 'trainee', at: '/mcp/reports', what: 'is denied what a grant contains and a denial covers', in: 'prod',
    tool: 'best_customers', args: {}, refused: DENIED, rule: 'personal-data#1' },
  { who: 'trainee', at: '/mcp/reports', what: 'gets the same report in staging', in: 'staging',
    tool: 'best_customers', args: {}, gives: 'Customer ' },
  { who: 'desk', at: '/mcp/reports', what: 'gets the report with names', in: 'prod',
    tool: 'best_customers', args: {}, gives: 'Ilse Brandt' },
  { who: 'trainee', at: '/mcp', what: 'finds nothing of it elsewhere', in: 'prod',
    tool: 'shop__query', args: sql('SELECT 1'), refused: UNKNOWN, rule: 'default' },
  { who: 'newcomer', at: '/mcp', what: 'finds nothing',
    tool: 'docs__search', args: { question: 'x' }, refused: UNKNOWN, rule: 'default' },

  { who: 'anonymous', at: '/mcp/handbook', what: 'searches without a key',
    tool: 'search', args: { question: 'refund' }, gives: 'returns' },
  { who: 'anonymous', at: '/mcp/handbook', what: 'finds no more than is selected',
    tool: 'reindex', args: {}, refused: UNKNOWN, rule: 'default' },
];

function entity(name, entityType) {
  return { entities: [{ name, entityType, observations: [] }] };
}

/** Resources and prompts: what is read, or how it is refused and by which rule. */
export const READS = [
  { who: 'desk', at: '/mcp/desk', uri: 'docs://returns', gives: 'thirty days' },
  { who: 'desk', at: '/mcp/desk', uri: 'docs://privacy', refused: UNKNOWN, rule: 'support#1' },
  { who: 'desk', at: '/mcp', uri: 'docs://privacy', gives: 'customer' },
  { who: 'buyer', at: '/mcp', uri: 'docs://returns', refused: UNKNOWN, rule: 'default' },
  { who: 'buyer', at: '/mcp/stockroom', in: 'prod', uri: 'db://tables/products', gives: 'CREATE TABLE products' },
  { who: 'buyer', at: '/mcp/stockroom', in: 'staging', uri: 'shop-staging+db://tables/products', gives: 'CREATE TABLE products' },
  { who: 'buyer', at: '/mcp', in: 'staging', uri: 'db://tables/products', refused: UNKNOWN, rule: 'staging#1' },
  { who: 'desk', at: '/mcp/desk', prompt: 'answer_customer', args: { question: 'Where is it?' }, gives: 'Where is it?' },
  { who: 'buyer', at: '/mcp', prompt: 'docs__answer_from_documents', args: { question: 'x' }, refused: UNKNOWN, rule: 'default' },
];

/** Virtual servers that are not there for somebody, and the rule that `why` names. */
export const DOORS = [
  { who: 'buyer', at: '/mcp/desk', tool: 'search_handbook', rule: 'desk-door#1' },
  { who: 'newcomer', at: '/mcp/reports', tool: 'low_stock', rule: 'default' },
  { who: 'operator', at: '/mcp/lab', tool: 'try_echo', in: 'prod', rule: 'prod#2' },
];
