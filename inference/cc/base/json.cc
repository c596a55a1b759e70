#include "base/json.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "base/utf8.h"

namespace etagger {

class JsonParser {
 public:
  JsonParser(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  Json document() {
    Json value = parse_value(0);
    skip_space();
    if (at_ < text_.size()) fail("something after the value");
    return value;
  }

 private:
  static constexpr int kDeepest = 64;

  [[noreturn]] void fail(const char* what) const {
    throw Error(name_ + ": not JSON at byte " + std::to_string(at_) + ": " + what +
                "; make the file again");
  }

  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }

  char peek() {
    skip_space();
    if (at_ == text_.size()) fail("it ends too early");
    return text_[at_];
  }

  bool take(char wanted) {
    if (peek() != wanted) return false;
    ++at_;
    return true;
  }

  void need(char wanted) {
    if (!take(wanted)) fail("a comma, colon or bracket is missing");
  }

  Json parse_value(int depth) {
    if (depth > kDeepest) fail("too many brackets");
    Json value;
    char first = peek();
    if (first == '{') {
      parse_object(&value, depth);
    } else if (first == '[') {
      parse_array(&value, depth);
    } else if (first == '"') {
      value.kind_ = Json::Kind::kString;
      value.string_ = parse_string();
    } else if (word("true") || word("false")) {
      value.kind_ = Json::Kind::kBool;
      value.number_ = first == 't';
    } else if (!word("null")) {
      parse_number(&value);
    }
    return value;
  }

  bool word(std::string_view literal) {
    if (text_.substr(at_, literal.size()) != literal) return false;
    at_ += literal.size();
    return true;
  }

  void parse_object(Json* value, int depth) {
    value->kind_ = Json::Kind::kObject;
    need('{');
    if (take('}')) return;
    do {
      if (peek() != '"') fail("a key is not a string");
      value->keys_.push_back(parse_string());
      need(':');
      value->items_.push_back(parse_value(depth + 1));
    } while (take(','));
    need('}');
    std::vector<std::string_view> keys(value->keys_.begin(), value->keys_.end());
    std::sort(keys.begin(), keys.end());
    if (std::adjacent_find(keys.begin(), keys.end()) != keys.end()) fail("a key stands twice");
  }

  void parse_array(Json* value, int depth) {
    value->kind_ = Json::Kind::kArray;
    need('[');
    if (take(']')) return;
    do value->items_.push_back(parse_value(depth + 1));
    while (take(','));
    need(']');
  }

  void parse_number(Json* value) {
    size_t end = at_;
    while (end < text_.size() &&
           std::string_view("+-.0123456789eE").find(text_[end]) != std::string_view::npos)
      ++end;
    std::string digits(text_.substr(at_, end - at_));
    char* stop = nullptr;
    value->kind_ = Json::Kind::kNumber;
    value->number_ = std::strtod(digits.c_str(), &stop);
    if (digits.empty() || *stop) fail("not a value");
    at_ = end;
  }

  std::string parse_string() {
    std::string out;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') {
        parse_escape(&out);
      } else {
        out.push_back(text_[at_]);
      }
    }
    if (at_ == text_.size()) fail("a string has no end");
    ++at_;
    return out;
  }

  // From a backslash to the last character of its escape.
  void parse_escape(std::string* out) {
    if (++at_ == text_.size()) fail("a string has no end");
    static const std::string_view letters = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
    size_t which = letters.find(text_[at_]);
    if (which != std::string_view::npos) {
      out->push_back(meanings[which]);
      return;
    }
    if (text_[at_] != 'u') fail("an unknown escape");
    uint32_t code = parse_hex();
    if (code >= 0xD800 && code < 0xDC00 && text_.substr(at_ + 1, 2) == "\\u") {
      at_ += 2;
      uint32_t low = parse_hex();
      if (low < 0xDC00 || low > 0xDFFF) fail("half of a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    append_utf8(code, out);
  }

  uint32_t parse_hex() {
    uint32_t code = 0;
    for (int i = 0; i < 4; ++i) {
      size_t digit = ++at_ < text_.size()
                         ? std::string_view("0123456789abcdefABCDEF").find(text_[at_])
                         : std::string_view::npos;
      if (digit == std::string_view::npos) fail("four hexadecimal digits were expected after \\u");
      code = code << 4 | static_cast<uint32_t>(digit < 16 ? digit : digit - 6);
    }
    return code;
  }

  std::string_view text_;
  std::string name_;
  size_t at_ = 0;
};

Json Json::parse(std::string_view text, const std::string& name) {
  return JsonParser(text, name).document();
}

void Json::expect(Kind kind, const char* what) const {
  if (kind_ != kind)
    throw Error(std::string("the settings hold another kind of value where ") + what +
                " was expected");
}

bool Json::boolean() const {
  expect(Kind::kBool, "true or false");
  return number_ != 0;
}

double Json::number() const {
  expect(Kind::kNumber, "a number");
  return number_;
}

const std::string& Json::string() const {
  expect(Kind::kString, "a string");
  return string_;
}

const std::vector<Json>& Json::array() const {
  expect(Kind::kArray, "an array");
  return items_;
}

std::vector<std::string> Json::strings() const {
  std::vector<std::string> out;
  for (const Json& item : array()) out.push_back(item.string());
  return out;
}

const Json& Json::operator[](std::string_view key) const {
  expect(Kind::kObject, "an object");
  for (size_t i = 0; i < keys_.size(); ++i)
    if (keys_[i] == key) return items_[i];
  throw Error("the settings lack " + std::string(key));
}

bool Json::has(std::string_view key) const {
  expect(Kind::kObject, "an object");
  auto found = std::find(keys_.begin(), keys_.end(), key);
  return found != keys_.end() && !items_[static_cast<size_t>(found - keys_.begin())].is_null();
}

namespace {

bool is_plain(unsigned char byte) {
  return byte >= ' ' && byte < 0x80 && byte != '"' && byte != '\\';
}

// A character that is not plain; bytes: as it stands in the text.
void append_character(uint32_t code, std::string_view bytes, std::string* out) {
  static constexpr std::string_view characters = "\"\\\b\f\n\r\t", letters = "\"\\bfnrt";
  static constexpr char digits[] = "0123456789abcdef";
  size_t which = code < 0x80 ? characters.find(static_cast<char>(code)) : std::string_view::npos;
  if (which != std::string_view::npos) {
    out->append({'\\', letters[which]});
  } else if (code == kBadByte) {
    append_utf8(0xFFFD, out);
  } else if (code < ' ' || code == 0x85 || code == 0x2028 || code == 0x2029) {
    out->append("\\u");
    for (int shift = 12; shift >= 0; shift -= 4) out->push_back(digits[code >> shift & 15]);
  } else {
    out->append(bytes);
  }
}

}  // namespace

void append_json_string(std::string_view text, std::string* out) {
  out->push_back('"');
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && is_plain(static_cast<unsigned char>(text[end]))) ++end;
    out->append(text.substr(at, end - at));
    if (end == text.size()) break;
    Character character = character_at(text, end);
    append_character(character.code, text.substr(end, character.size), out);
    at = end + character.size;
  }
  out->push_back('"');
}

}  // namespace etagger
