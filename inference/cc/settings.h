// What a model says of itself: the string constant `model_config` of an exported graph (JSON).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace etagger {

struct Settings {
  bool use_word, use_chr, use_pos, use_chk, use_shape;
  bool lowercase;                                 // the word vectors' words are lowercased
  int word_length;                                // characters of a word that count
  std::string chr_conv_type;                      // conv1d or conv2d
  std::vector<int> chr_filter_widths;
  int num_filters;                                // of each width
  bool use_highway, use_crf;
  int highway_layers, rnn_size, rnn_layers;
  std::string tag_scheme, data_scheme;            // in which the model has learned; of the training data
  std::vector<std::string> tags;                  // the model's tags; the index is the id
  std::vector<std::string> columns;               // of the training data
  std::string vocab_hash;                         // sha256 of its vocab.txt
  std::vector<std::string> gazetteer_types;       // empty: no gazetteer
  std::vector<std::pair<std::vector<std::string>, std::vector<int>>> gazetteer_names;     // words, indices of types

  // Throws Error. `name`: whose settings they are, for messages.
  static Settings parse(std::string_view json, const std::string& name);
};

}  // namespace etagger
