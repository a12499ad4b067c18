/// sqlite-server FILE: answers questions about a SQLite database over MCP (stdio), and cannot change it.

#include <iostream>

#include "database.hpp"
#include "mcp_server/stdio.hpp"

namespace {

using mcp_server::Call;
using mcp_server::Json;
using mcp_server::ToolFailure;
using mcp_server::ToolResult;

constexpr int kDefaultRows = 100;
constexpr int kMostRows = 1000;
const std::string kScheme = "db://tables/";

Json object_schema(Json properties, std::vector<std::string> required) {
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", false}};
}

ToolResult as_result(Json structured) {
  std::string text = structured.dump(-1, ' ', false, Json::error_handler_t::replace);
  return {std::move(text), std::move(structured)};
}

ToolResult list_tables(sqlite_server::Database& database) {
  Json tables = Json::array();
  for (const std::string& name : database.tables())
    tables.push_back({{"name", name}, {"uri", kScheme + name}});
  return as_result({{"tables", std::move(tables)}});
}

ToolResult describe_table(sqlite_server::Database& database, const Json& arguments) {
  const std::string table = mcp_server::text_argument(arguments, "table");
  const std::string schema = database.schema(table);
  if (schema.empty()) throw ToolFailure("no table \"" + table + "\"; list_tables names them");
  return {schema};
}

ToolResult query(sqlite_server::Database& database, const Json& arguments) {
  const std::string sql = mcp_server::text_argument(arguments, "sql");
  const int max_rows = mcp_server::number_argument(arguments, "max_rows", kDefaultRows, 1, kMostRows);
  try {
    sqlite_server::Rows found = database.query(sql, max_rows);
    return as_result({{"columns", std::move(found.columns)},
                      {"rows", std::move(found.rows)},
                      {"truncated", found.truncated}});
  } catch (const std::runtime_error& refused) {
    throw ToolFailure(refused.what());
  }
}

void add_tools(mcp_server::Server& server, sqlite_server::Database& database) {
  const Json table_list = {
      {"type", "array"},
      {"items",
       object_schema({{"name", {{"type", "string"}}}, {"uri", {{"type", "string"}}}}, {"name", "uri"})}};
  const Json row_list = {{"type", "array"}, {"items", {{"type", "array"}}}};
  server.add({.name = "list_tables",
              .title = "List tables",
              .description = "Names every table and view of the database.",
              .input_schema = object_schema(Json::object(), {}),
              .output_schema = object_schema({{"tables", table_list}}, {"tables"}),
              .run = [&database](const Json&, const Call&) { return list_tables(database); }});
  server.add({.name = "describe_table",
              .title = "Describe a table",
              .description = "Shows the CREATE statements of one table or view and its indexes.",
              .input_schema = object_schema({{"table", {{"type", "string"}}}}, {"table"}),
              .run = [&database](const Json& arguments, const Call&) {
                return describe_table(database, arguments);
              }});
  server.add(
      {.name = "query",
       .title = "Query",
       .description = "Runs one SELECT in SQLite's dialect. Nothing can be written; long answers are cut.",
       .input_schema = object_schema(
           {{"sql", {{"type", "string"}, {"description", "one SELECT"}}},
            {"max_rows",
             {{"type", "integer"}, {"minimum", 1}, {"maximum", kMostRows}, {"default", kDefaultRows}}}},
           {"sql"}),
       .output_schema = object_schema({{"columns", {{"type", "array"}, {"items", {{"type", "string"}}}}},
                                       {"rows", row_list},
                                       {"truncated", {{"type", "boolean"}}}},
                                      {"columns", "rows", "truncated"}),
       .run = [&database](const Json& arguments, const Call&) { return query(database, arguments); }});
}

void add_resources(mcp_server::Server& server, sqlite_server::Database& database) {
  const auto list = [&database] {
    std::vector<mcp_server::Resource> resources;
    for (const std::string& name : database.tables())
      resources.push_back({kScheme + name, name, "Schema of " + name, "application/sql"});
    return resources;
  };
  const auto read = [&database](const std::string& uri) -> std::optional<std::string> {
    if (!uri.starts_with(kScheme)) return std::nullopt;
    std::string schema = database.schema(uri.substr(kScheme.size()));
    return schema.empty() ? std::nullopt : std::optional(std::move(schema));
  };
  server.serve_resources({{kScheme + "{name}", "table", "Table", "The schema of a table", "application/sql"}},
                         list, read);
  server.serve_completion([&database](const std::string&) { return database.tables(); });
}

void add_prompts(mcp_server::Server& server) {
  server.add(
      {.name = "explore_table",
       .title = "Explore a table",
       .description = "Asks the model to describe what a table holds.",
       .arguments = {{"table", "the table to look at"}},
       .render = [](const Json& arguments) {
         return "Call describe_table and a few small queries on the table \"" +
                arguments["table"].get<std::string>() +
                "\". Then say in plain words what one row stands for, which columns matter, how many rows "
                "there are and what looks unusual.";
       }});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: sqlite-server FILE\n";
    return 2;
  }
  try {
    sqlite_server::Database database(argv[1]);
    mcp_server::Server server("sqlite-server", "1.0.0",
                              "Read-only questions about one SQLite database. Begin with list_tables.");
    add_tools(server, database);
    add_resources(server, database);
    add_prompts(server);
    mcp_server::serve_stdio(server);
    return 0;
  } catch (const std::exception& problem) {
    std::cerr << "sqlite-server: " << problem.what() << '\n';
    return 1;
  }
}
