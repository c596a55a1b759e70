#include "tagging/entities.h"

#include "base/decimals.h"
#include "base/json.h"
#include "tagging/scheme.h"
#include "base/utf8.h"

namespace etagger {

std::vector<Entity> entities(const std::vector<std::string_view>& tags, std::string_view scheme) {
  std::vector<Entity> found;
  auto add = [&](size_t start, size_t end, std::string_view type) {
    found.push_back({start, end, type});
  };
  if (scheme == kRaw) {
    for (size_t i = 0; i < tags.size(); ++i)
      if (tags[i] != "O") add(i, i + 1, tags[i]);
  } else {
    for_each_chunk(tags.size(), [&](size_t i) { return split_tag(tags[i]); }, add);
  }
  return found;
}

void append_json(std::string_view text, const std::vector<std::string_view>& words,
                 const std::vector<Entity>& entities, std::string* out,
                 const std::vector<double>& scores) {
  out->append("{\"text\": ");
  append_json_string(text, out);
  out->append(", \"entities\": [");
  size_t at = 0, characters = 0;  // a byte of the text, and how many characters come before it
  auto characters_before = [&](size_t byte) {
    characters += count_characters(text.substr(at, byte - at));
    at = byte;
    return std::to_string(characters);
  };
  for (const Entity& entity : entities) {
    size_t begin = static_cast<size_t>(words[entity.start].data() - text.data());
    size_t end = static_cast<size_t>(words[entity.end - 1].data() - text.data()) +
                 words[entity.end - 1].size();
    out->append(&entity == entities.data() ? "{\"text\": " : ", {\"text\": ");
    append_json_string(text.substr(begin, end - begin), out);
    out->append(", \"type\": ");
    append_json_string(entity.type, out);
    out->append(", \"start\": ").append(characters_before(begin));
    out->append(", \"end\": ").append(characters_before(end));
    if (!scores.empty()) {
      out->append(", \"score\": ");
      append_six_digits(scores[static_cast<size_t>(&entity - entities.data())], out);
    }
    out->push_back('}');
  }
  out->append("]}\n");
}

void append_json(const std::vector<std::string_view>& words, const std::vector<Entity>& entities,
                 std::string* out, const std::vector<double>& scores) {
  std::string text;
  const std::vector<std::string_view> places = join(words, &text);
  append_json(text, places, entities, out, scores);
}

std::vector<std::string_view> join(const std::vector<std::string_view>& words, std::string* text) {
  size_t size = 0;
  for (std::string_view word : words) size += word.size() + 1;
  text->reserve(size);  // the views below hold
  std::vector<std::string_view> places;
  places.reserve(words.size());
  for (std::string_view word : words) {
    if (!places.empty()) text->push_back(' ');
    text->append(word);
    places.emplace_back(text->data() + text->size() - word.size(), word.size());
  }
  return places;
}

}  // namespace etagger
