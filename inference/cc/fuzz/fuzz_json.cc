// Bytes as JSON, and as a model's settings: they are read, or refused.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "fuzz/fuzz.h"
#include "base/json.h"
#include "tagging/scheme.h"
#include "tagging/settings.h"

namespace {

// Whether `ask` is an answer or an Error.
template <class Ask>
bool answers(Ask ask) {
  try {
    ask();
    return true;
  } catch (const etagger::Error&) {
    return false;
  }
}

// Each value is of one kind. Returns how many values there are.
size_t walk(const etagger::Json& value) {
  int kinds = value.is_null() + answers([&] { value.boolean(); }) +
              answers([&] { value.number(); }) + answers([&] { value.string(); });
  size_t count = 1;
  bool is_array = answers([&] {
    for (const etagger::Json& item : value.array()) count += walk(item);
  });
  require(kinds + is_array <= 1, "a value is of one kind");
  for (const char* key : {"format", "config", "tags", "gazetteer", "names"})
    answers([&] { count += walk(value[key]); });
  answers([&] { value.strings(); });
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data),
                   size);  // of its own, so that AddressSanitizer guards its end
  answers([&] {
    require(walk(etagger::Json::parse(text, "fuzz")) <= size, "no more values than bytes");
  });
  answers([&] {
    etagger::Settings settings = etagger::Settings::parse(text, "fuzz");
    if (settings.tags.empty()) return;
    etagger::TagConverter converter(settings.tags, settings.tag_scheme, settings.data_scheme);
    std::vector<int> ids(3 * settings.tags.size());
    for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int>(i * i % settings.tags.size());
    auto tags = converter.convert(ids.data(), ids.size());
    require(tags.size() == ids.size(), "a tag for each id");
    for (std::string_view tag : tags)
      require(!tag.empty() && tag.find_first_of(" \t\r\n") == std::string_view::npos,
              "a tag fits a column");
  });
  return 0;
}
