// Shows the tests what our C++ makes of lines from standard input. A line here is a line of input
// unless it says otherwise.
//
//   probe lower|shape|sha256|json
//   probe tokenize words|characters
//   probe sentences plain|tailored
//       a text, in hexadecimal -> where its sentences end
//   probe encoding
//       the first bytes of a file, in hexadecimal -> the error that they are not UTF-8
//   probe bert_tokens cased|uncased
//   probe wordpiece VOCAB cased|uncased
//       a word -> ids of its pieces
//   probe windows VOCAB cased|uncased MAX_SEQ_LENGTH
//       a sentence; a blank line ends a document -> windows, places of words
//   probe documents WORDS SIZE
//       columns, SIZE bytes at a time -> sentences and the WORDS known words around each
//   probe inputs SETTINGS VOCAB BATCH_SIZE
//       columns -> what the graph is fed, batch by batch
//   probe scheme SOURCE TARGET TAG...
//       tag ids of a sentence -> its tags in the other scheme
//   probe entities line|columns SCHEME
//       a sentence in two lines, text and tags -> JSON
//   probe html line|columns SCHEME TYPE...
//       a sentence in three lines, text, tags and scores of its entities (or none) -> a page
//   probe emissions MODEL [INSTRUCTIONS [BATCH_SIZE]]
//       columns -> emission scores, a row each token
//   probe decode MODEL [INSTRUCTIONS]
//       emission scores -> tag ids, a row each sentence
//   probe chain [INSTRUCTIONS]
//       a line of JSON, see answer_chain -> probabilities and n-best sequences, a line of JSON
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "base/cli.h"
#include "engine/chain.h"
#include "engine/engine.h"
#include "engine/kernels.h"
#include "tagging/entities.h"
#include "tagging/html.h"
#include "base/error.h"
#include "tagging/feed.h"
#include "base/json.h"
#include "tagging/scheme.h"
#include "base/sha256.h"
#include "base/utf8.h"
#include "text/lowercase.h"
#include "text/sentences.h"
#include "text/tokenizer.h"
#include "text/documents.h"
#include "text/vocab.h"
#include "text/windows.h"
#include "text/wordpiece.h"

namespace {

// Each line is a sentence of tags; out comes the same one in the other scheme.
void convert_lines(const std::vector<std::string>& args) {
  std::vector<std::string> tags(args.begin() + 2, args.end());
  etagger::TagConverter converter(tags, args[0], args[1]);
  for (std::string line; std::getline(std::cin, line);) {
    std::vector<int> ids;
    std::istringstream cells(line);
    for (int id; cells >> id;) ids.push_back(id);
    std::string out;
    for (std::string_view tag : converter.convert(ids.data(), ids.size()))
      out.append(out.empty() ? "" : " ").append(tag);
    std::cout << out << "\n";
  }
}

std::string all_input() {
  return std::string(std::istreambuf_iterator<char>(std::cin), {});
}

std::vector<etagger::Sentence> read_sentences(const etagger::Run& input,
                                              const etagger::Settings& settings) {
  etagger::SentenceParser parser("<stdin>", {}, settings.columns, settings.delimiter);
  std::vector<etagger::Sentence> sentences;
  for (etagger::Block& block : etagger::blocks_of(input))
    if (!block.rows.empty()) sentences.push_back(parser.parse(&block));
  return sentences;
}

std::string argument(const std::vector<std::string>& args, size_t i) {
  return i < args.size() ? args[i] : "";
}

// Columns in, emission scores out: a row each token, a blank line after each sentence.
void print_emissions(const std::vector<std::string>& args) {
  auto engine = etagger::open_engine(args[0], argument(args, 1));
  const size_t batch_size = args.size() > 2 ? std::stoul(args[2]) : 64;
  const size_t tags = engine->settings().tags.size();
  etagger::Run input{all_input()};
  std::vector<etagger::Sentence> sentences = read_sentences(input, engine->settings());
  for (const std::vector<float>& scores : engine->emissions(sentences, batch_size)) {
    for (size_t i = 0; i < scores.size(); ++i)
      std::printf("%.9g%c", static_cast<double>(scores[i]), (i + 1) % tags ? ' ' : '\n');
    std::printf("\n");
  }
}

// The other way round: such rows in, tag ids out, a line each sentence.
void decode_emissions(const std::vector<std::string>& args) {
  auto engine = etagger::open_engine(args[0], argument(args, 1));
  std::vector<float> scores;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream cells(line);
    for (float score; cells >> score;) scores.push_back(score);
    if (!line.empty()) continue;
    for (int32_t id : engine->decode(scores)) std::cout << id << " ";
    std::cout << "\n";
    scores.clear();
  }
}

std::vector<float> floats_of(const etagger::Json& numbers) {
  std::vector<float> floats;
  for (const etagger::Json& number : numbers.array())
    floats.push_back(static_cast<float>(number.number()));
  return floats;
}

// A chain: {"tags": [...], "scheme": ..., "temperature": ..., "transitions": [a row after another]
// or null, "begin": [...], "end": [...]}, with its "emissions" (a row after another), "ids",
// "spans"
// ([start, end, type] each) and "count". Out come the probabilities of ids and spans, and the paths
// with log probabilities.
void answer_chain(const std::string& line, const etagger::Kernels& kernels) {
  const etagger::Json given = etagger::Json::parse(line, "line");
  std::vector<std::string> names;
  for (const etagger::Json& name : given["tags"].array()) names.push_back(name.string());
  std::vector<std::string_view> types;
  const auto tags = etagger::chain_tags(names, given["scheme"].string(), &types);
  const bool has_transitions = given.has("transitions");
  const auto between = has_transitions ? floats_of(given["transitions"]) : std::vector<float>(),
             begin = floats_of(given["begin"]), end = floats_of(given["end"]),
             emissions = floats_of(given["emissions"]);
  const etagger::TransitionScores transitions{has_transitions ? between.data() : nullptr,
                                              begin.data(), end.data(), names.size()};
  const etagger::Chain chain(kernels, transitions, tags, given["temperature"].number());
  std::vector<int32_t> ids;
  for (const etagger::Json& id : given["ids"].array())
    ids.push_back(static_cast<int32_t>(id.number()));
  std::vector<etagger::ChainSpan> spans;
  for (const etagger::Json& span : given["spans"].array()) {
    const auto& parts = span.array();
    const auto type = std::find(types.begin(), types.end(), parts[2].string());
    spans.push_back({static_cast<size_t>(parts[0].number()), static_cast<size_t>(parts[1].number()),
                     static_cast<size_t>(type - types.begin())});
  }
  etagger::ChainScratch scratch;
  std::vector<double> of_tags(ids.size()), of_spans(spans.size());
  chain.probabilities(emissions.data(), names.size(), ids.size(), ids.data(), spans, &scratch,
                      of_tags.data(), of_spans.data());
  std::printf("{\"tags\": [");
  for (size_t i = 0; i < of_tags.size(); ++i) std::printf(i ? ", %.17g" : "%.17g", of_tags[i]);
  std::printf("], \"spans\": [");
  for (size_t i = 0; i < of_spans.size(); ++i) std::printf(i ? ", %.17g" : "%.17g", of_spans[i]);
  std::printf("], \"paths\": [");
  bool is_first = true;
  for (const etagger::ChainPath& path :
       chain.nbest(emissions.data(), names.size(), ids.size(),
                   static_cast<size_t>(given["count"].number()), &scratch)) {
    std::printf(is_first ? "[%.17g" : ", [%.17g", path.log_probability);
    for (int32_t id : path.ids) std::printf(", %d", id);
    std::printf("]");
    is_first = false;
  }
  std::printf("]}\n");
}

void answer_chains(const std::string& instructions) {
  const etagger::Kernels* kernels = etagger::kernels_for(instructions.c_str());
  if (!kernels) throw etagger::Error(instructions + ": not on this machine");
  for (std::string line; std::getline(std::cin, line);) answer_chain(line, *kernels);
}

// The first and the last byte of each token, the latter exclusive: 0-5 6-10.
void tokenize_line(const std::string& line, const std::string& tokenizer) {
  for (std::string_view token : etagger::tokenize(line, etagger::parse_tokenizer(tokenizer))) {
    size_t begin = static_cast<size_t>(token.data() - line.data());
    std::cout << begin << '-' << begin + token.size() << ' ';
  }
  std::cout << "\n";
}

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> parts;
  for (size_t at = 0; at < line.size();) {
    size_t end = std::min(line.find(' ', at), line.size());
    parts.push_back(line.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

// Two lines a sentence, its text (or its words, for columns) and a tag for each token; out comes
// its JSON.
void print_json(const std::string& kind, const std::string& scheme) {
  for (std::string text, tags; std::getline(std::cin, text) && std::getline(std::cin, tags);) {
    std::vector<etagger::Entity> entities = etagger::entities(split(tags), scheme);
    std::string out;
    if (kind == "line")
      etagger::append_json(text, etagger::tokenize(text, etagger::Tokenizer::kWords), entities,
                           &out);
    else
      etagger::append_json(split(text), entities, &out);
    std::cout << out;
  }
}

// Three lines a sentence, its text (or its words), a tag for each token and the scores of its
// entities; out comes a page.
void print_html(const std::string& kind, const std::string& scheme,
                const std::vector<std::string>& types) {
  const etagger::HtmlWriter html(types);
  std::cout << etagger::html_head(types);
  std::string text, tags, line;
  while (std::getline(std::cin, text) && std::getline(std::cin, tags) &&
         std::getline(std::cin, line)) {
    std::vector<double> scores;
    std::istringstream cells(line);
    for (double score; cells >> score;) scores.push_back(score);
    const std::vector<etagger::Entity> entities = etagger::entities(split(tags), scheme);
    std::string out;
    if (kind == "line")
      html.append(text, etagger::tokenize(text, etagger::Tokenizer::kWords), entities, scores,
                  &out);
    else
      html.append(split(text), entities, scores, &out);
    std::cout << out;
  }
  std::cout << etagger::html_foot();
}

// BERT's own vocabulary, a piece a line.
etagger::Section read_pieces(std::string_view text) {
  etagger::Section section;
  section.reserve(static_cast<size_t>(std::count(text.begin(), text.end(), '\n')));
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    section.add(text.substr(at, end - at));
    at = end + 1;
  }
  return section;
}

void print_tokens(const std::string& line, const std::string& kind) {
  for (const std::string& token : etagger::bert_tokens(line, kind == "uncased"))
    std::cout << token << ' ';
  std::cout << "\n";
}

void print_pieces(const std::string& path, const std::string& kind) {
  etagger::MappedFile file(path);
  etagger::Section vocabulary = read_pieces(file.text());
  etagger::Wordpiece wordpiece(vocabulary, kind == "uncased");
  std::vector<int32_t> ids;
  for (std::string line; std::getline(std::cin, line); ids.clear()) {
    wordpiece.pieces(line, &ids);
    for (int32_t id : ids) std::cout << id << ' ';
    std::cout << "\n";
  }
}

template <class Numbers>
void print_numbers(const Numbers& numbers) {
  for (auto number : numbers) std::cout << number << ' ';
  std::cout << '|';
}

void print_words(const std::vector<etagger::Sentence>& sentences, size_t begin, size_t end) {
  for (size_t i = begin; i < end; ++i)
    for (std::string_view word : sentences[i].words) std::cout << word << ' ';
  std::cout << '|';
}

// A line each sentence: after how many reads it came out, the words before it, its own, and those
// after it.
void print_documents(size_t words, size_t size) {
  etagger::RunReader reader;
  etagger::SentenceParser parser("<stdin>", {}, {"word"});
  etagger::DocumentReader documents(words, parser);
  etagger::Run run;
  size_t reads = 0;
  auto print = [&] {
    std::vector<etagger::Block> blocks = etagger::blocks_of(run);
    std::vector<etagger::Sentence> sentences;
    for (etagger::Block& block : blocks)
      sentences.push_back(block.rows.empty() ? etagger::Sentence() : parser.parse(&block));
    for (size_t i = run.blocks_before; i < blocks.size() - run.blocks_after; ++i) {
      if (sentences[i].words.empty()) continue;
      std::cout << reads << '|';
      print_words(sentences, 0, i);
      print_words(sentences, i, i + 1);
      print_words(sentences, i + 1, blocks.size());
      std::cout << "\n";
    }
  };
  const std::string input = all_input();
  for (size_t at = 0; at < input.size(); at += size) {
    const std::string part = input.substr(at, size);
    std::copy(part.begin(), part.end(), reader.room(size));
    ++reads;
    if (reader.feed(part.size(), &run) && documents.feed(&run)) print();
  }
  run = reader.close();
  documents.close(&run);
  print();
}

// A line with the sentences of each batch, and one with name, shape and values of each input.
void print_inputs(const std::string& settings_path, const std::string& vocab_path,
                  size_t batch_size) {
  etagger::MappedFile json(settings_path);
  etagger::Settings settings = etagger::Settings::parse(json.text(), settings_path);
  etagger::Vocabulary vocab(vocab_path, settings.gazetteer_types.size(), settings.gazetteer_names);
  std::unique_ptr<etagger::WindowMaker> windows;
  if (settings.use_bert)
    windows = std::make_unique<etagger::WindowMaker>(vocab.pieces(), settings.bert_lower,
                                                     static_cast<size_t>(settings.bert_length));
  etagger::Feeder feeder(settings, vocab, windows.get());
  etagger::Run input{all_input()};
  std::vector<etagger::Sentence> sentences = read_sentences(input, settings);
  std::vector<size_t> places;
  std::vector<etagger::Example> examples = feeder.encode(sentences, 0, sentences.size(), &places);
  for (const etagger::Batch& batch : etagger::tagging_batches(examples, batch_size, 4000)) {
    for (size_t k : batch.indices) std::cout << places[k] << ' ';
    std::cout << "\n";
    for (const etagger::Input& input : feeder.inputs(examples, batch)) {
      std::cout << input.name << ' ';
      print_numbers(input.shape);
      print_numbers(input.values);
      std::cout << "\n";
    }
  }
}

// A line each sentence: the window of each word, where it lies there, and the windows, with | after
// each of these.
void print_windows(const std::vector<std::string>& args) {
  etagger::MappedFile file(args[0]);
  etagger::Section vocabulary = read_pieces(file.text());
  etagger::WindowMaker maker(vocabulary, args[1] == "uncased", std::stoul(args[2]));
  std::vector<etagger::CutWords> document;
  for (std::string line; std::getline(std::cin, line);) {
    if (!line.empty()) {
      document.push_back(maker.cut(split(line)));
      continue;
    }
    for (size_t place = 0; place < document.size(); ++place) {
      etagger::Windows made = maker.windows(document.data(), document.size(), place);
      print_numbers(made.window);
      print_numbers(made.offset);
      for (const std::vector<int32_t>& window : made.windows) print_numbers(window);
      std::cout << "\n";
    }
    document.clear();
  }
}

std::string from_hex(const std::string& line) {
  std::string bytes;
  for (size_t at = 0; at + 1 < line.size(); at += 2)
    bytes.push_back(static_cast<char>(std::stoi(line.substr(at, 2), nullptr, 16)));
  return bytes;
}

// The byte at which each sentence ends.
void print_sentences(const std::string& text, bool tailored) {
  for (size_t at = 0; at < text.size();) {
    at = etagger::sentence_end(text, at, tailored);
    std::cout << at << ' ';
  }
  std::cout << "\n";
}

void print_encoding(const std::string& line) {
  try {
    etagger::check_encoding(from_hex(line), "FILE");
    std::cout << "\n";
  } catch (const etagger::Error& error) {
    std::cout << error.what() << "\n";
  }
}

void run(const std::string& what, const std::vector<std::string>& args) {
  if (what == "scheme") return convert_lines(args);
  if (what == "emissions") return print_emissions(args);
  if (what == "decode") return decode_emissions(args);
  if (what == "chain") return answer_chains(argument(args, 0));
  if (what == "entities") return print_json(args[0], args[1]);
  if (what == "html") return print_html(args[0], args[1], {args.begin() + 2, args.end()});
  if (what == "wordpiece") return print_pieces(args[0], args[1]);
  if (what == "inputs") return print_inputs(args[0], args[1], std::stoul(args[2]));
  if (what == "documents") return print_documents(std::stoul(args[0]), std::stoul(args[1]));
  if (what == "windows") return print_windows(args);
  if (what == "sha256") {
    std::cout << etagger::sha256(all_input()) << "\n";
    return;
  }
  for (std::string line; std::getline(std::cin, line);) {
    if (what == "lower") std::cout << etagger::lower(line) << "\n";
    if (what == "tokenize") tokenize_line(line, args[0]);
    if (what == "sentences") print_sentences(from_hex(line), args[0] == "tailored");
    if (what == "encoding") print_encoding(line);
    if (what == "bert_tokens") print_tokens(line, args[0]);
    if (what == "shape") std::cout << etagger::word_shape(line) << "\n";
    if (what == "json") std::cout << etagger::Json::parse(line, "line").string() << "\n";
  }
}

}  // namespace

int main(int argc, char** argv) {
  return etagger::run_command(
      argv[0], [&] { run(argv[1], std::vector<std::string>(argv + 2, argv + argc)); });
}
