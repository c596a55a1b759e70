#include "text/sentences.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>

#include "base/utf8.h"
#include "text/ranges.h"
#include "text/tokenizer.h"

namespace etagger {
namespace {

// Code points with the same value of the property Sentence_Break, as a letter of
// make_sentence_break.py; i: upper and lower case alternate.
struct BreakRange {
  uint32_t first, last;
  char letter;
};

#include "text/unicode_sentence.inc"  // kSentenceBreak

// The lists of features/sentences.py, sorted.
constexpr std::string_view kAlways[] = {
    "Adm",  "Amb", "Assoc", "Asst", "Atty", "Brig", "Capt", "Cmdr",   "Col",    "Cpl",
    "Dr",   "Drs", "Gen",   "Gov",  "Hon",  "Insp", "Lt",   "Maj",    "Messrs", "Mlle",
    "Mme",  "Mr",  "Mrs",   "Ms",   "Msgr", "Pres", "Prof", "Profs",  "Pvt",    "Rep",
    "Reps", "Rev", "Sen",   "Sens", "Sgt",  "Supt", "Vs",   "approx", "ca",     "cf",
    "e.g",  "i.e", "incl",  "resp", "v",    "viz",  "vs"};
constexpr std::string_view kBeforeNumber[] = {
    "Art",  "Ch",  "Chap", "Eq",  "Eqs",  "Fig", "Figs", "No",   "Nos", "Nr",
    "Para", "Ref", "Sec",  "Tab", "Vol",  "art", "ch",   "chap", "eq",  "fig",
    "figs", "no",  "nos",  "p",   "para", "pp",  "ref",  "sec",  "tab", "vol"};
constexpr std::string_view kOften[] = {
    "Ala",  "Apr",  "Ariz", "Ark",  "Assn", "Aug",   "Ave",  "Blvd", "Bros", "Calif", "Co",
    "Colo", "Conn", "Corp", "Cos",  "Dec",  "Del",   "Dept", "Esq",  "Feb",  "Fla",   "Fri",
    "Ft",   "Ga",   "Hwy",  "Ill",  "Inc",  "Ind",   "Inst", "Intl", "Jan",  "Jr",    "Jul",
    "Jun",  "Kan",  "Ky",   "La",   "Ltd",  "Mar",   "Mass", "Md",   "Mfg",  "Mich",  "Minn",
    "Miss", "Mo",   "Mon",  "Mont", "Mt",   "Natl",  "Neb",  "Nev",  "Nov",  "Oct",   "Okla",
    "Ore",  "Pa",   "Penn", "Ph.D", "Rd",   "Sat",   "Sep",  "Sept", "Sr",   "St",    "Ste",
    "Sun",  "Tenn", "Tex",  "Thu",  "Thur", "Thurs", "Tue",  "Tues", "Univ", "Va",    "Vt",
    "Wash", "Wed",  "Wis",  "Wyo",  "al",   "etc"};
constexpr std::string_view kStarters[] = {
    "A",        "After", "All",   "Also",    "Although", "An",    "And",    "Another",   "Any",
    "Are",      "As",    "At",    "Because", "Before",   "Both",  "But",    "By",        "Can",
    "Could",    "Did",   "Do",    "Does",    "Each",     "Even",  "For",    "From",      "Had",
    "Has",      "Have",  "He",    "Her",     "Here",     "His",   "How",    "However",   "I",
    "If",       "In",    "Is",    "It",      "Its",      "Many",  "May",    "Meanwhile", "Might",
    "Moreover", "Most",  "Must",  "My",      "No",       "Nor",   "Not",    "Now",       "Of",
    "On",       "Once",  "Only",  "Or",      "Other",    "Our",   "Over",   "Several",   "She",
    "Should",   "Since", "So",    "Some",    "Still",    "Such",  "That",   "The",       "Their",
    "Then",     "There", "These", "They",    "This",     "Those", "Though", "To",        "Under",
    "Until",    "Was",   "We",    "Were",    "What",     "When",  "Where",  "Which",     "While",
    "Who",      "Why",   "Will",  "With",    "Would",    "Yet",   "You",    "Your"};
constexpr size_t kLongest = 12;  // letters and points of the longest abbreviation

char find_letter(uint32_t code) {
  const BreakRange* range = find_range(kSentenceBreak, code);
  if (!range) return 'z';
  return range->letter == 'i' ? "ul"[(code - range->first) % 2] : range->letter;
}

std::array<char, 128> ascii_letters() {
  std::array<char, 128> letters{};
  for (uint32_t code = 0; code < 128; ++code) letters[code] = find_letter(code);
  return letters;
}

char letter_of(uint32_t code) {
  static const std::array<char, 128> ascii = ascii_letters();
  return code < 128 ? ascii[code] : find_letter(code);
}

template <size_t N>
bool is_among(const std::string_view (&words)[N], std::string_view word) {
  return std::binary_search(std::begin(words), std::end(words), word);
}

bool is_ascii_letter(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

// Reads the letters of a text at any place.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  // The letter at a place; 0 at the end.
  char letter(size_t at) const {
    return at < text_.size() ? letter_of(character_at(text_, at).code) : '\0';
  }
  // The letter before a place; 0 at the beginning.
  char letter_before(size_t at) const {
    return at > 0 ? letter(character_before(text_, at)) : '\0';
  }
  size_t after(size_t at) const { return at + character_at(text_, at).size; }
  size_t before(size_t at) const { return character_before(text_, at); }

  // The place after characters with this letter, each with its extending characters.
  size_t skip(size_t at, char of) const {
    while (letter(at) == of) at = skip_extending(after(at));
    return at;
  }
  size_t skip_extending(size_t at) const {
    while (letter(at) == 'x') at = after(at);
    return at;
  }
  size_t skip_paragraph_end(size_t at) const {
    const char it = letter(at);
    if (it == 'r' && letter(after(at)) == 'n') return after(at) + 1;
    return it == 'r' || it == 'n' || it == 'p' ? after(at) : at;
  }

 private:
  std::string_view text_;
};

// A place that may end a sentence.
struct End {
  size_t term;        // place of `.`, `?` or `!`
  size_t after_term;  // place after it and its extending characters
  size_t end;         // place after closing quotes, brackets and spaces
};

// Whether a lower-case letter comes before any other letter and any end of a sentence.
bool is_lower_ahead(const Reader& reader, size_t at) {
  constexpr std::string_view kOther = "ouprnat";
  for (;; at = reader.after(at)) {
    const char letter = reader.letter(at);
    if (letter == 'l') return true;
    if (!letter || kOther.find(letter) != std::string_view::npos) return false;
  }
}

// Whether the annex breaks there, before a character; the numbers are those of its rules.
bool breaks(const Reader& reader, const End& found) {
  const char after = reader.letter(found.end);
  if (after == 'k' || after == 'a' || after == 't') return false;  // SB8a
  if (reader.letter(found.term) == 't') return true;               // SB11
  if (found.end == found.after_term) {
    if (after == 'd') return false;  // SB6
    size_t at = found.term;
    std::string_view cased = "ul";
    while (reader.letter_before(at) == 'x') at = reader.before(at);
    if (after == 'u' && at > 0 && cased.find(reader.letter_before(at)) != cased.npos)
      return false;  // SB7
  }
  return !is_lower_ahead(reader, found.end);  // SB8
}

// Letters with a point between each: U.S, a.m.
bool is_pointed(std::string_view word) {
  if (word.size() < 3 || word.size() % 2 == 0) return false;
  for (size_t i = 0; i < word.size(); ++i)
    if (i % 2 ? word[i] != '.' : !is_ascii_letter(word[i])) return false;
  return true;
}

bool is_starter(std::string_view text, size_t at) {
  size_t end = at;
  while (end < text.size() && is_ascii_letter(text[end])) ++end;
  return is_among(kStarters, text.substr(at, end - at)) && text.substr(end, 1) != ".";
}

// Whether an abbreviation may begin at `at`: at the beginning, or after a space, an opening bracket
// or quote, the end of a paragraph, or a dash.
bool may_precede(std::string_view text, const Reader& reader, size_t at) {
  constexpr std::string_view kLetters = "scprn", kDashes[] = {"-", "/", "–", "—"};
  if (at == 0 || kLetters.find(reader.letter_before(at)) != kLetters.npos) return true;
  return std::any_of(std::begin(kDashes), std::end(kDashes), [&](std::string_view dash) {
    return at >= dash.size() && text.substr(at - dash.size(), dash.size()) == dash;
  });
}

// Whether an abbreviation or an initial removes the break after `found`.
bool removes(std::string_view text, const Reader& reader, const End& found) {
  const size_t point = found.term;
  if (text[point] != '.') return false;
  for (size_t at = point + 1; at < found.end; at = reader.after(at))
    if (reader.letter(at) != 's') return false;
  size_t start = point;
  while (start > 0 && point - start <= kLongest &&
         (text[start - 1] == '.' || is_ascii_letter(text[start - 1])))
    --start;
  if (start == point && reader.letter_before(point) == 'u') start = character_before(text, point);
  if (!may_precede(text, reader, start)) return false;
  const std::string_view word = text.substr(start, point - start);
  if (is_among(kAlways, word)) return true;
  if (is_among(kBeforeNumber, word)) return reader.letter(found.end) == 'd';
  const bool is_initial =
      !word.empty() && reader.after(start) == point && reader.letter(start) == 'u';
  return (is_initial || is_among(kOften, word) || is_pointed(word)) && !is_starter(text, found.end);
}

}  // namespace

size_t sentence_end(std::string_view text, size_t at, bool tailored) {
  const Reader reader(text);
  while (at < text.size()) {
    const char letter = reader.letter(at);
    if (letter != 'a' && letter != 't') {
      const size_t end = reader.skip_paragraph_end(at);
      if (end > at) return end;
      at = reader.after(at);
      continue;
    }
    End found{at, reader.skip_extending(reader.after(at)), 0};
    found.end = reader.skip(reader.skip(found.after_term, 'c'), 's');
    at = reader.skip_paragraph_end(found.end);
    if (at > found.end || at == text.size()) return at;
    if (breaks(reader, found) && !(tailored && removes(text, reader, found))) return at;
  }
  return at;
}

std::string_view stripped(std::string_view text) {
  while (!text.empty() && is_white_space(character_at(text, 0).code))
    text.remove_prefix(character_at(text, 0).size);
  while (!text.empty()) {
    const size_t last = character_before(text, text.size());
    if (!is_white_space(character_at(text, last).code)) break;
    text.remove_suffix(text.size() - last);
  }
  return text;
}

}  // namespace etagger
