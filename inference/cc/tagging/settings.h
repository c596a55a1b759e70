// What a model says of itself: the string constant `model_config` of an exported graph (JSON).
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tagging/features.h"
#include "text/columns.h"
#include "text/tokenizer.h"

namespace etagger {

struct Settings {
  // Whether the model looks at a feature of its tokens.
  bool has(Feature feature) const { return features[static_cast<size_t>(feature)]; }

  std::array<bool, kFeatureCount> features{};  // by Feature
  bool lowercase = false;                      // the word vectors' words are lowercased
  int word_length = 0;                         // characters of a word that count
  std::string chr_conv_type;                   // conv1d or conv2d
  std::vector<int> chr_filter_widths;
  int num_filters = 0;  // of each width
  bool use_highway = false, use_crf = false;
  int highway_layers = 0, rnn_size = 0, rnn_layers = 0;
  bool use_bert = false;
  bool bert_mean = false;     // a word's vector is the mean of its pieces' or that of the first
  bool bert_context = false;  // neighbouring sentences of the document fill BERT's window
  bool bert_lower = false;    // BERT reads words lowercased and without accents
  int bert_length = 0;        // pieces of a window, [CLS] and [SEP] included
  std::string tag_scheme, data_scheme;       // of the model; of its training data
  std::vector<std::string> tags;             // the model's tags; the index is the id
  std::vector<std::string> columns;          // of the training data
  Delimiter delimiter = Delimiter::kUnsaid;  // of the training data
  Tokenizer tokenizer = Tokenizer::kWords;   // that splits text for it
  std::string vocab_hash;                    // sha256 of its vocab.txt
  std::vector<std::string> gazetteer_types;  // empty: no gazetteer
  std::vector<std::pair<std::vector<std::string>, std::vector<int>>>
      gazetteer_names;        // words, indices of types
  bool feature_drop = false;  // it has learned to do without its POS and chunk columns

  // Throws Error. `name`: whose settings they are, for messages.
  static Settings parse(std::string_view json, const std::string& name);

  // Words on each side of a sentence, in its document, that its tags may depend on.
  size_t context_words() const { return bert_context ? static_cast<size_t>(bert_length) - 2 : 0; }

  // The types of entities that its tags mark, sorted.
  std::vector<std::string> types() const;

  // A line that says which of the columns that make its tags better an input lacks, or "": none.
  // whose: the input, in that line.
  std::string missing_columns(bool has_pos, bool has_chunks, const std::string& whose) const;
};

}  // namespace etagger
