#include "text/wordpiece.h"

#include <algorithm>

#include "base/error.h"
#include "text/ranges.h"
#include "base/utf8.h"

namespace etagger {
namespace {

// Characters of which a nonspacing mark is all that NFD leaves. A starter has combining class 0:
// what comes before it and what comes after it are ordered apart.
struct Stripped {
  uint32_t first, last;
  bool is_starter;
};

// Canonical combining classes of the characters that are left, by their order.
struct Class {
  uint32_t first, last, order;
};

// What is left of a character without accents and in lower case, where that is another one:
// kFolded[at + (code - first)].
struct Fold {
  uint32_t first, last, at;
};

// The same of a character of which several are left, 0 after the last.
struct Expansion {
  uint32_t first, last, to[4];
};

#include "text/unicode_wordpiece.inc"

constexpr uint32_t kReplacement = 0xFFFD;
constexpr size_t kMostCharacters = 100;  // of a token, or it is [UNK]

// A Hangul syllable is a leading consonant, a vowel and perhaps a trailing consonant: Unicode,
// section 3.12.
constexpr uint32_t kHangul = 0xAC00, kSyllables = 11172, kLeading = 0x1100, kVowel = 0x1161,
                   kTrailing = 0x11A7, kVowels = 21, kTrailings = 28;

uint32_t class_of(uint32_t code) {
  const Class* found = find_range(kClasses, code);
  return found ? found->order : 0;
}

// Characters without accents and in lower case, in canonical order.
class Folder {
 public:
  void add(uint32_t code) {
    if (const Stripped* mark = find_range(kStripped, code)) {
      if (mark->is_starter) order();
    } else if (const Expansion* expansion = find_range(kExpansions, code)) {
      for (const uint32_t* left = expansion->to; *left; ++left) put(*left);
    } else if (code - kHangul < kSyllables) {
      add_syllable(code - kHangul);
    } else {
      const Fold* fold = find_range(kFolds, code);
      put(fold ? kFolded[fold->at + (code - fold->first)] : code);
    }
  }

  std::vector<uint32_t> take() {
    order();
    return std::move(codes_);
  }

 private:
  void add_syllable(uint32_t index) {
    put(kLeading + index / (kVowels * kTrailings));
    put(kVowel + index / kTrailings % kVowels);
    if (index % kTrailings) put(kTrailing + index % kTrailings);
  }

  void put(uint32_t code) {
    bool is_starter = !class_of(code);
    if (is_starter) order();
    codes_.push_back(code);
    if (is_starter) run_ = codes_.size();
  }

  // Brings the marks at the end into canonical order.
  void order() {
    auto begin = codes_.begin() + static_cast<std::ptrdiff_t>(run_);
    std::stable_sort(begin, codes_.end(),
                     [](uint32_t a, uint32_t b) { return class_of(a) < class_of(b); });
    run_ = codes_.size();
  }

  std::vector<uint32_t> codes_;
  size_t run_ = 0;  // where the marks at the end begin
};

// Takes the last character of a text in UTF-8 away, also one that is cut off.
void drop_character(std::string* text) {
  char last;
  do {
    last = text->back();
    text->pop_back();
  } while ((last & 0xC0) == 0x80);
}

std::vector<uint32_t> normalized(std::string_view word, bool lower) {
  std::vector<uint32_t> codes;
  for (size_t at = 0; at < word.size();) {
    Character character = character_at(word, at);
    at += character.size;
    uint32_t code = character.code == kBadByte ? kReplacement : character.code;
    if (find_range(kDropped, code)) continue;
    if (find_range(kIdeographs, code))
      codes.insert(codes.end(), {' ', code, ' '});
    else
      codes.push_back(find_range(kSpaces, code) ? ' ' : code);
  }
  if (!lower) return codes;
  Folder folder;
  for (uint32_t code : codes) folder.add(code);
  return folder.take();
}

}  // namespace

std::vector<std::string> bert_tokens(std::string_view word, bool lower) {
  std::vector<std::string> tokens;
  bool is_new = true;
  for (uint32_t code : normalized(word, lower)) {
    bool is_mark = find_range(kPunctuation, code), is_space = code == ' ';
    if (!is_space && (is_new || is_mark)) tokens.emplace_back();
    if (!is_space) append_utf8(code, &tokens.back());
    is_new = is_space || is_mark;
  }
  return tokens;
}

Wordpiece::Wordpiece(const Section& vocabulary, bool lower)
    : vocabulary_(vocabulary), lower_(lower), unknown_(vocabulary.find("[UNK]")) {
  if (unknown_ < 0) throw Error("BERT's vocabulary has no [UNK]");
  for (size_t id = 0; id < vocabulary.size(); ++id)
    longest_ = std::max(longest_, vocabulary.token(id).size());
}

void Wordpiece::pieces(std::string_view word, std::vector<int32_t>* out) const {
  for (const std::string& token : bert_tokens(word, lower_)) cut(token, out);
}

// The longest piece that the vocabulary has, again and again; [UNK] where there is none.
void Wordpiece::cut(std::string_view token, std::vector<int32_t>* out) const {
  size_t before = out->size();
  auto fail = [&] {
    out->resize(before);
    out->push_back(unknown_);
  };
  if (count_characters(token) > kMostCharacters) return fail();
  for (size_t at = 0; at < token.size();) {
    std::string piece = at ? "##" : "";
    const size_t prefix = piece.size();
    piece.append(token.substr(at, longest_));
    int id = -1;
    while (piece.size() > prefix) {
      id = vocabulary_.find(piece);
      if (id >= 0) break;
      drop_character(&piece);
    }
    if (id < 0) return fail();
    out->push_back(id);
    at += piece.size() - prefix;
  }
}

}  // namespace etagger
