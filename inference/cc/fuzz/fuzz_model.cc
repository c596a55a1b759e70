// Bytes as an .etagger file: they are refused, or tag, and nothing is read outside of the section
// that it belongs to.
//
// The checksums are no hindrance: the mutator mends them, and so does the target where a file was
// refused as it is.
#include <sanitizer/asan_interface.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <string_view>
#include <vector>

#include "text/columns.h"
#include "engine/engine.h"
#include "engine/kernels.h"
#include "engine/model_file.h"
#include "base/crc32.h"
#include "base/error.h"
#include "fuzz/fuzz.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

namespace {

constexpr size_t kAlignment = 64, kTypeSizes[] = {1, 4, 4, 8, 4}, kTypes = 5;

struct Prelude {
  char magic[8];
  uint32_t version, flags;
  uint64_t size, header, header_bytes, table, sections;
  uint32_t crc, unused;
};

struct Entry {
  char name[48];
  uint32_t type, rank;
  uint64_t dims[4], offset, bytes;
  uint32_t crc, unused[5];
};

size_t aligned(size_t at) {
  return (at + kAlignment - 1) / kAlignment * kAlignment;
}

// Exactly the bytes of a file, where a ModelFile may lie; AddressSanitizer guards both ends.
class Bytes {
 public:
  explicit Bytes(size_t size)
      : data_(static_cast<char*>(::operator new(size, std::align_val_t(kAlignment)))), size_(size) {
    std::memset(data_, 0, size);
  }
  Bytes(const uint8_t* data, size_t size) : Bytes(size) { std::copy(data, data + size, data_); }
  ~Bytes() {
    ASAN_UNPOISON_MEMORY_REGION(data_, size_);
    ::operator delete(data_, std::align_val_t(kAlignment));
  }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  char* data() const { return data_; }
  std::string_view text() const { return {data_, size_}; }

 private:
  char* data_;
  size_t size_;
};

Prelude prelude_of(std::string_view file) {
  Prelude prelude;
  std::memcpy(&prelude, file.data(), sizeof prelude);
  return prelude;
}

// The table of sections, where it is inside of the file.
std::vector<Entry> table_of(std::string_view file) {
  if (file.size() < sizeof(Prelude)) return {};
  Prelude prelude = prelude_of(file);
  if (prelude.table > file.size() ||
      prelude.sections > (file.size() - prelude.table) / sizeof(Entry))
    return {};
  std::vector<Entry> table(prelude.sections);
  if (!table.empty())
    std::memcpy(table.data(), file.data() + prelude.table, table.size() * sizeof(Entry));
  return table;
}

// Gives the file what a hostile author would give it too: magic, version, size and all checksums.
void mend(char* data, size_t size, std::vector<Entry> table) {
  std::string_view file(data, size);
  if (size < sizeof(Prelude)) return;
  Prelude prelude = prelude_of(file);
  for (Entry& entry : table)
    if (entry.offset <= size && entry.bytes <= size - entry.offset)
      entry.crc = etagger::crc32(file.substr(entry.offset, entry.bytes));
  if (!table.empty()) std::memcpy(data + prelude.table, table.data(), table.size() * sizeof(Entry));
  std::memcpy(prelude.magic, "etagger", 8);
  prelude.version = 1;
  prelude.flags = prelude.unused = 0;
  prelude.size = size;
  prelude.header = sizeof prelude;
  std::memcpy(data, &prelude, sizeof prelude);
  if (prelude.table > size) return;
  size_t front = prelude.table + table.size() * sizeof(Entry);
  prelude.crc = etagger::crc32(file.substr(sizeof prelude, front - std::min(front, sizeof prelude)),
                               etagger::crc32(file.substr(0, 56)));
  std::memcpy(data, &prelude, sizeof prelude);
}

// The same file with a gap after each section, poisoned once the model is open, so that no section
// is read beyond its end.
std::unique_ptr<Bytes> spread(std::string_view file, std::vector<Entry> table) {
  size_t front = prelude_of(file).table + table.size() * sizeof(Entry), at = front + kAlignment;
  std::vector<size_t> from;
  for (Entry& entry : table) {
    from.push_back(entry.offset);
    entry.offset = at;
    at = aligned(at + entry.bytes) + kAlignment;
  }
  auto out = std::make_unique<Bytes>(at);
  std::memcpy(out->data(), file.data(), front);
  for (size_t i = 0; i < table.size(); ++i)
    std::memcpy(out->data() + table[i].offset, file.data() + from[i], table[i].bytes);
  mend(out->data(), at, table);
  return out;
}

void poison_gaps(const Bytes& file) {
  size_t end = 0;
  auto poison = [&](size_t next) { ASAN_POISON_MEMORY_REGION(file.data() + end, next - end); };
  for (const Entry& entry : table_of(file.text())) {
    poison(entry.offset);
    end = entry.offset + entry.bytes;
  }
  poison(file.text().size());
}

// ------------------------------------------------------------ tagging

const char* const kWords[] = {"EU",
                              "rejects",
                              "New",
                              "York",
                              "Times",
                              "1996-08-22",
                              "\xCE\xA3\xCE\x91\xCE\xA3",
                              "\xFF\xE2\x82",
                              "#PAD#",
                              "a",
                              "Donaudampfschifffahrtsgesellschaft",
                              "-DOCSTART-",
                              "NN",
                              "B-NP"};

// Sentences of several lengths in `columns` columns, among them a -DOCSTART- line.
std::string text_of(size_t columns) {
  std::string text = "-DOCSTART-\n\n";
  for (size_t length : {1, 9, 3, 3, 20})
    for (size_t i = 0; i < length; ++i) {
      for (size_t k = 0; k < columns; ++k)
        text.append(k ? " " : "").append(kWords[(i + 5 * k + length) % std::size(kWords)]);
      text += i + 1 < length ? "\n" : "\n\n";
    }
  return text;
}

const char* instructions() {
  static const std::vector<const char*> known = [] {
    std::vector<const char*> names;
    for (const char* name : {"portable", "neon", "avx2", "avx512", "avx512vbmi"})
      if (etagger::kernels_for(name)) names.push_back(name);
    return names;
  }();
  static size_t turn = 0;
  return known[turn++ % known.size()];
}

bool is_probability(double value) {
  return value >= 0 && value <= 1;
}

// Scores that are no numbers are refused; whatever else they are, probabilities come of them.
void ask_for_probabilities(const etagger::Tagger& tagger,
                           const std::vector<etagger::Sentence>& sentences) {
  for (double temperature : {1.0, 1e-3}) {
    for (const etagger::Confident& found :
         tagger.confident(sentences, 0, sentences.size(), 4, temperature)) {
      for (double probability : found.probabilities)
        require(is_probability(probability), "the probability of a tag");
      for (const etagger::ScoredEntity& entity : found.entities)
        require(entity.start < entity.end && entity.end <= found.tags.size() &&
                    is_probability(entity.score),
                "an entity");
    }
    for (const etagger::Readings& readings :
         tagger.nbest(sentences, 0, sentences.size(), 3, 4, temperature))
      require(!readings.empty() && readings.size() <= 3, "readings of each sentence");
  }
}

void tag(const etagger::Tagger& tagger) {
  const std::vector<std::string>& columns = tagger.settings().columns;
  std::string out;
  etagger::Run text{text_of(std::min<size_t>(columns.size(), 20))};
  std::vector<etagger::Block> blocks = etagger::blocks_of(text);
  etagger::SentenceParser parser("fuzz", {}, columns);
  std::vector<etagger::Sentence> sentences;
  for (etagger::Block& block : blocks) sentences.push_back(parser.parse(&block));
  for (size_t batch_size : {1, 4}) {
    auto tags = tagger.tag(sentences, 0, sentences.size(), batch_size);
    require(tags.size() == sentences.size(), "tags for each sentence");
    for (size_t i = 0; i < tags.size(); ++i) {
      require(tags[i].size() == sentences[i].words.size(), "a tag for each word");
      for (std::string_view tag : tags[i])
        require(!tag.empty() && std::strlen(tag.data()) == tag.size() &&
                    tag.find_first_of(" \t\r\n") == std::string_view::npos,
                "a tag fits a column");
      blocks[i].write({&tags[i]}, &out);
    }
  }
  ask_for_probabilities(tagger, sentences);
}

// Whether the file is one; tags with it if so, also where its sections are damaged.
bool open_and_tag(const Bytes& bytes) {
  try {
    etagger::ModelFile file("fuzz", bytes.text());
    try {
      file.verify();
    } catch (const etagger::Error&) {
    }
    std::unique_ptr<Bytes> apart = spread(bytes.text(), table_of(bytes.text()));
    std::unique_ptr<etagger::Tagger> tagger =
        etagger::open_engine(etagger::ModelFile("fuzz", apart->text()), instructions());
    poison_gaps(*apart);
    tag(*tagger);
    return true;
  } catch (const etagger::Error&) {
    return false;
  }
}

// ------------------------------------------------------------ mutations

// Puts another header in place of the file's own; what comes after it moves. Returns the new size.
size_t change_header(uint8_t* data, size_t size, size_t most, std::vector<Entry> table) {
  Prelude prelude = prelude_of({reinterpret_cast<char*>(data), size});
  std::vector<uint8_t> header(data + sizeof prelude, data + sizeof prelude + prelude.header_bytes);
  size_t before = prelude.header_bytes;
  header.resize(before + 64);
  header.resize(LLVMFuzzerMutate(header.data(), before, header.size()));
  size_t old_place = prelude.table, place = aligned(sizeof prelude + header.size()),
         rest = size - old_place;
  if (place + rest > most) return size;
  std::memmove(data + place, data + old_place, rest);
  std::memset(data + sizeof prelude, 0, place - sizeof prelude);
  std::copy(header.begin(), header.end(), data + sizeof prelude);
  prelude.header_bytes = header.size();
  prelude.table = place;
  std::memcpy(data, &prelude, sizeof prelude);
  for (Entry& entry : table) entry.offset += place - old_place;
  std::memcpy(data + place, table.data(), table.size() * sizeof(Entry));
  return place + rest;
}

uint64_t odd_number(std::mt19937* random, uint64_t old, uint64_t size) {
  const uint64_t choices[] = {
      0,    1,        2,          old - 1,           old + 1,           old * 2,      old / 2,
      size, size - 1, 0xFFFFFFFF, uint64_t{1} << 32, uint64_t{1} << 62, ~uint64_t{0}, old + 64};
  return choices[(*random)() % std::size(choices)];
}

// One field of one section, or a smaller dimension with the size that goes with it.
void change_entry(Entry* entry, const Entry& other, size_t size, std::mt19937* random) {
  uint64_t* dim = &entry->dims[(*random)() % 4];
  switch ((*random)() % 14) {
    case 0:
      entry->type = static_cast<uint32_t>(odd_number(random, entry->type, kTypes));
      break;
    case 1:
      entry->rank = static_cast<uint32_t>(odd_number(random, entry->rank, 4));
      break;
    case 2:
      *dim = odd_number(random, *dim, size);
      break;
    case 3:
      entry->offset = odd_number(random, entry->offset, size);
      break;
    case 4:
      entry->bytes = odd_number(random, entry->bytes, size);
      break;
    case 5:
      std::memcpy(entry->name, other.name, sizeof entry->name);
      break;
    case 6:
      std::swap(entry->rank, entry->type);
      break;
    default:
      if (*dim > 1 && entry->type < kTypes) {
        entry->bytes /= *dim;
        *dim = 1 + (*random)() % *dim;
        entry->bytes *= *dim;
      }
  }
}

// Bytes of one section, so that they stay in their place.
void change_section(uint8_t* data, const Entry& entry, std::mt19937* random) {
  size_t unit = entry.type < kTypes ? kTypeSizes[entry.type] : 1;
  if (entry.bytes < unit) return;
  if (entry.type == 0) {
    LLVMFuzzerMutate(data + entry.offset, entry.bytes, entry.bytes);
    return;
  }
  for (size_t i = 1 + (*random)() % 4; i; --i) {
    uint8_t* place = data + entry.offset + (*random)() % (entry.bytes / unit) * unit;
    uint64_t value = 0;
    std::memcpy(&value, place, unit);
    if (entry.type == 4)
      value = std::vector<uint32_t>{0x7F800000, 0xFF800000, 0x7FC00000, 0x7F7FFFFF,
                                    0xFF7FFFFF, 0x00000001, 0x80000000}[(*random)() % 7];
    else
      value = odd_number(random, value, entry.dims[0]);
    std::memcpy(place, &value, unit);
  }
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most,
                                          unsigned int seed) {
  std::mt19937 random(seed);
  std::vector<Entry> table = table_of({reinterpret_cast<char*>(data), size});
  auto inside = [&](const Entry& entry) {
    return entry.offset <= size && entry.bytes <= size - entry.offset;
  };
  bool sound = !table.empty() && std::all_of(table.begin(), table.end(), inside) &&
               prelude_of({reinterpret_cast<char*>(data), size}).table ==
                   aligned(64 + prelude_of({reinterpret_cast<char*>(data), size}).header_bytes);
  unsigned what = random() % 16;
  if (!sound || what == 0) {
    size = LLVMFuzzerMutate(data, size, most);
  } else if (what < 6) {
    size = change_header(data, size, most, table);
  } else if (what < 10) {
    change_entry(&table[random() % table.size()], table[random() % table.size()], size, &random);
    std::memcpy(data + prelude_of({reinterpret_cast<char*>(data), size}).table, table.data(),
                table.size() * sizeof(Entry));
  } else {
    change_section(data, table[random() % table.size()], &random);
  }
  mend(reinterpret_cast<char*>(data), size, table_of({reinterpret_cast<char*>(data), size}));
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes bytes(data, size);
  if (open_and_tag(bytes)) return 0;
  mend(bytes.data(), size, table_of(bytes.text()));
  open_and_tag(bytes);
  return 0;
}
