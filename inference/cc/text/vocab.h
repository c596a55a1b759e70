// Vocabularies: vocab.txt, mapped into memory, and the ids of words, characters, POS and chunks.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "text/ids.h"

namespace etagger {

// Tokens -> ids of one section: a hash table with open addressing over the mapped text, 12 bytes a
// token or less. A look-up visits kMostProbes slots at most, also where a stranger has made the
// tokens collide.
class Section {
 public:
  void reserve(size_t tokens);
  bool add(std::string_view token);        // false: there is no slot for it
  int find(std::string_view token) const;  // -1: not there
  size_t size() const { return tokens_.size(); }
  std::string_view token(size_t id) const { return tokens_[id]; }

 private:
  static constexpr size_t kNowhere = SIZE_MAX;

  // Of the token, of the gap where it belongs, or kNowhere.
  size_t place(std::string_view token) const;

  std::vector<std::string_view> tokens_;
  std::vector<uint32_t> table_;  // id + 1; 0: a gap
};

class Vocabulary : public Ids {
 public:
  // Reads what embvec.py prints. names: a gazetteer's, words and indices of `types` types. Throws
  // Error with file and line.
  Vocabulary(const std::string& path, size_t types,
             const std::vector<std::pair<std::vector<std::string>, std::vector<int>>>& names);

  // sha256 of the file without a byte order mark, in hexadecimal.
  std::string hash() const;

  int word_id(std::string_view word, bool lowercase) const override;
  int character_id(uint32_t code) const override;
  int pos_id(std::string_view pos) const override { return known_or_1(pos_.find(pos)); }
  int chunk_id(std::string_view chunk) const override { return known_or_1(chunks_.find(chunk)); }
  std::vector<int32_t> marks(const std::vector<std::string_view>& words) const override;
  // BERT's pieces; none where the file has no such section.
  const Section& pieces() const { return pieces_; }

 private:
  void read_section(Section* section, const char* name, size_t* at, int* line);

  MappedFile file_;
  std::string_view text_;  // of the file, without a byte order mark
  std::string path_;
  Section words_, chars_, pos_, chunks_, tags_, pieces_;
  std::array<int, 128> ascii_ids_;
  std::unordered_map<uint32_t, int> character_ids_;  // those beyond ASCII
  size_t types_;                                     // of names
  // Trees: whoever writes a model may make its names collide in any hash table of ours.
  // Words joined by spaces -> indices of types.
  std::map<std::string, std::vector<int>, std::less<>> names_;
  // First word -> words in the longest name that it begins.
  std::map<std::string, size_t, std::less<>> longest_;
};

}  // namespace etagger
