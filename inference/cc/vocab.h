// Vocabularies: vocab.txt, mapped into memory, and the ids of words, characters, POS and chunks.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace etagger {

// A file mapped into memory, read only and shared with other processes.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);        // throws Error
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::string_view text() const { return {data_, size_}; }

 private:
  const char* data_ = nullptr;
  size_t size_ = 0;
};

// Tokens -> ids of one section: a hash table with open addressing over the mapped text, 12 bytes a token or less.
class Section {
 public:
  void reserve(size_t tokens);
  void add(std::string_view token);
  int find(std::string_view token) const;              // -1: not there
  size_t size() const { return tokens_.size(); }
  std::string_view token(size_t id) const { return tokens_[id]; }

 private:
  size_t place(std::string_view token) const;          // of the token, or of the gap where it belongs

  std::vector<std::string_view> tokens_;
  std::vector<uint32_t> table_;                        // id + 1; 0: a gap
};

class Vocabulary {
 public:
  // Reads what embvec.py prints. Throws Error with file and line.
  explicit Vocabulary(const std::string& path);

  // sha256 of the file, in hexadecimal.
  std::string hash() const;

  // The word as it is; lowercased, where the vectors are; then with its ASCII digits as 0; else unknown (1).
  int word_id(std::string_view word, bool lowercase) const;

  int character_id(uint32_t code) const;               // unknown is 1, also for kBadByte
  int pos_id(std::string_view pos) const { return known(pos_.find(pos)); }
  int chunk_id(std::string_view chunk) const { return known(chunks_.find(chunk)); }

 private:
  static int known(int id) { return id > 0 ? id : 1; }
  void read_section(Section* section, const char* name, size_t* at, int* line);

  MappedFile file_;
  std::string path_;
  Section words_, chars_, pos_, chunks_, tags_;
  std::array<int, 128> ascii_ids_;
  std::unordered_map<uint32_t, int> character_ids_;    // those beyond ASCII
};

}  // namespace etagger
