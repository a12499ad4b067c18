#pragma once
/// JSON Schema, as far as tool definitions use it: whether a value fits, and what a change of a schema means
/// for those who hold to the old one. Where a schema uses what is not known here the answer is that nobody
/// knows, never a guess.

#include <cstdint>
#include <string>
#include <vector>

#include "sallyport/json/document.hpp"

namespace sallyport::json {

enum class Fit : std::uint8_t { fits, fails, undetermined };

struct FitVerdict {
  Fit fit = Fit::fits;
  std::string why{};  ///< of the first failure, or of what is not known: "/path: keyword"
};

/// Knows type, enum, const, required, properties, additionalProperties, propertyNames and the bounds on
/// properties, items, prefixItems, uniqueItems and the bounds on items, minLength, maxLength, the bounds on
/// numbers, allOf, anyOf, oneOf, not, if/then/else and $ref within the schema. Annotations and `format` say
/// nothing. `pattern`, other references and everything else is undetermined, and so is what takes more than
/// limits::kSchemaSteps.
FitVerdict check(const Value& schema, const Value& value);
/// The same within what is left of `steps`, which many checks share; what they took is taken off.
FitVerdict check(const Value& schema, const Value& value, std::int64_t& steps);

/// What a change of a schema means.
enum class SchemaChange : std::uint8_t {
  compatible,  ///< the same values fit
  widened,     ///< what fitted still fits, and more does
  breaking     ///< something that fitted may not fit any more, or nobody can tell
};

struct SchemaComparison {
  SchemaChange change = SchemaChange::compatible;
  std::vector<std::string> reasons{};  ///< "/place: is required now"; those that break first
};

/// Which side holds to the old schema: whoever sends the values, or whoever reads them.
enum class SchemaOf : std::uint8_t { input, output };

/// An argument that is new and optional widens, although an open object took anything under that name
/// before; it breaks where a schema said what other names take, and it takes something else. One that is gone
/// breaks, although an open object still takes it.
SchemaComparison compare(const Value& before, const Value& after, SchemaOf of);

}  // namespace sallyport::json
