#pragma once
/// Upstream documents may repeat a key. What leaves us does not: the last one wins, as JSON readers have it.

#include <string>
#include <vector>

#include "sallyport/json/document.hpp"
#include "sallyport/json/object_writer.hpp"

namespace sallyport::mcp {

/// The members of an object in document order, without those that a later one of the same name replaces.
std::vector<json::Value::Member> distinct_members(const json::Value& object);

/// Appends `value` as it came; only objects that repeat a key, at any depth, are written anew.
void append_distinct(std::string& out, const json::Value& value);

/// Writes one object member by member; what it copies has no repeated keys left.
class ObjectWriter : public json::ObjectWriter {
 public:
  using json::ObjectWriter::ObjectWriter;
  void copy(const json::Value::Member& member);
};

}  // namespace sallyport::mcp
