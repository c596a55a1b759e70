// JSON (RFC 8259): read, as much as a model's settings need; of what we write, the strings.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace etagger {

// A value. Asking it for what it is not throws Error.
class Json {
 public:
  // Throws Error for what is not JSON; `name` says in the message whose text it is.
  static Json parse(std::string_view text, const std::string& name);

  bool boolean() const;
  double number() const;
  const std::string& string() const;
  const std::vector<Json>& array() const;
  std::vector<std::string> strings() const;  // an array of strings
  const Json& operator[](
      std::string_view key) const;       // of an object; throws Error where there is no such key
  bool has(std::string_view key) const;  // of an object: whether there is such a key, and no null
  bool is_null() const { return kind_ == Kind::kNull; }

 private:
  friend class JsonParser;
  enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };
  void expect(Kind kind, const char* what) const;

  Kind kind_ = Kind::kNull;
  double number_ = 0;  // also a bool
  std::string string_;
  std::vector<Json> items_;        // of an array or an object
  std::vector<std::string> keys_;  // of an object
};

// Appends `text` as a JSON string, in its quotes, in UTF-8. Each byte that is not UTF-8 becomes
// U+FFFD. Escaped are, besides what must be, the line ends that JSON allows in a string (U+0085,
// U+2028, U+2029): an object is one line also to Python's splitlines().
void append_json_string(std::string_view text, std::string* out);

}  // namespace etagger
