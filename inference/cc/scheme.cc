#include "scheme.h"

#include <algorithm>

#include "error.h"

namespace etagger {
namespace {

constexpr std::string_view kOutside = "O";

std::string prefixes_of(const std::string& scheme) {
  static const std::unordered_map<std::string, std::string> known = {
      {"bio", "BBII"}, {"iob1", "IIII"}, {"ioe2", "EIIE"}, {"ioe1", "IIII"}, {"iobes", "SBIE"}, {"bmes", "SBME"}, {"bilou", "UBIL"}};
  auto found = known.find(scheme);
  if (found == known.end()) throw Error("unknown tag scheme " + scheme);
  return found->second;
}

bool is_one_of(char letter, const char* letters) { return std::string_view(letters).find(letter) != std::string_view::npos; }

}  // namespace

TagConverter::TagConverter(const std::vector<std::string>& tags, const std::string& source, const std::string& target)
    : tags_(tags), source_(source), target_(target) {
  if (source == target) return;
  prefixes_ = prefixes_of(target);
  std::unordered_map<std::string, int> kinds;
  for (const std::string& tag : tags_) {
    std::string kind = tag.size() > 1 ? tag.substr(2) : "";
    auto [place, is_new] = kinds.emplace(kind, static_cast<int>(kinds.size()));
    split_.push_back({tag.empty() ? 'O' : tag[0], place->second});
    if (!is_new) continue;
    names_.emplace_back();
    for (char prefix : prefixes_ + "BE") names_.back()[prefix] = kind.empty() ? std::string(1, prefix) : std::string(1, prefix) + "-" + kind;
  }
}

std::vector<std::string_view> TagConverter::tags() const {
  if (source_ == target_) return {tags_.begin(), tags_.end()};
  std::string order;
  for (char prefix : prefixes_.substr(1) + prefixes_[0] + (target_ == "iob1" ? "B" : target_ == "ioe1" ? "E" : ""))
    if (order.find(prefix) == std::string::npos) order.push_back(prefix);
  std::vector<std::string_view> out = {kOutside};
  std::vector<bool> seen(names_.size());
  for (const Tag& tag : split_) {
    size_t kind = static_cast<size_t>(tag.kind);
    if (tag.prefix == 'O' || seen[kind]) continue;
    seen[kind] = true;
    for (char prefix : order) out.push_back(name(prefix, tag.kind));
  }
  return out;
}

std::vector<std::string_view> TagConverter::convert(const int* ids, size_t count) const {
  std::vector<std::string_view> out(count, kOutside);
  if (source_ == target_) {
    for (size_t i = 0; i < count; ++i) out[i] = tags_[static_cast<size_t>(ids[i])];
    return out;
  }
  std::vector<Chunk> spans = chunks(ids, count);
  for (size_t k = 0; k < spans.size(); ++k) {
    auto [start, end, kind] = spans[k];
    for (size_t i = start; i < end; ++i) out[i] = name(prefixes_[2], kind);
    out[start] = name(prefixes_[1], kind);
    out[end - 1] = name(prefixes_[3], kind);
    if (end - start == 1) out[start] = name(prefixes_[0], kind);
    bool touches_left = k > 0 && spans[k - 1].end == start && spans[k - 1].kind == kind;
    bool touches_right = k + 1 < spans.size() && spans[k + 1].start == end && spans[k + 1].kind == kind;
    if (target_ == "iob1" && touches_left) out[start] = name('B', kind);
    if (target_ == "ioe1" && touches_right) out[end - 1] = name('E', kind);
  }
  return out;
}

// As conll.chunks reads them: B, S and U begin a chunk, E, S, L and U end it; it begins too where the type changes.
std::vector<TagConverter::Chunk> TagConverter::chunks(const int* ids, size_t count) const {
  std::vector<Chunk> found;
  bool open = false;
  Chunk current{};
  for (size_t i = 0; i < count; ++i) {
    Tag tag = split_[static_cast<size_t>(ids[i])];
    if (open && (is_one_of(tag.prefix, "OBSU") || tag.kind != current.kind)) {
      current.end = i;
      found.push_back(current);
      open = false;
    }
    if (tag.prefix != 'O' && !open) {
      current = {i, 0, tag.kind};
      open = true;
    }
    if (is_one_of(tag.prefix, "ESLU")) {
      current.end = i + 1;
      found.push_back(current);
      open = false;
    }
  }
  if (open) {
    current.end = count;
    found.push_back(current);
  }
  return found;
}

}  // namespace etagger
