#include "tagging/settings.h"

#include <set>

#include "base/error.h"
#include "base/json.h"
#include "tagging/scheme.h"

namespace etagger {
namespace {

constexpr int kFormat = 1;
// More than any model has: a few bytes must not ask for memory or time without end.
constexpr int kLargest = 1 << 20;                          // of all numbers in the settings
constexpr int kMostCharacters = 1024;                      // of a word
constexpr size_t kMostTypes = 1024, kMostNameWords = 256;  // of a gazetteer

// A whole number; what: its name. Throws Error.
int whole(const Json& json, const std::string& what, int least, int most = kLargest) {
  double number = json.number();
  if (!(number >= least && number <= most) || number != static_cast<int>(number))
    throw Error(what + " is no whole number from " + std::to_string(least) + " to " +
                std::to_string(most) + "; export it again");
  return static_cast<int>(number);
}

// A model from before BERT was known says nothing of it.
void read_bert(const Json& json, Settings* settings) {
  const Json& config = json["config"];
  settings->use_bert = config.has("use_bert") && config["use_bert"].boolean();
  if (!settings->use_bert) return;
  settings->bert_mean = config["bert_pooling"].string() == "mean";
  settings->bert_context = config["bert_context"].boolean();
  settings->bert_lower = json["bert"]["do_lower_case"].boolean();
  settings->bert_length = whole(json["bert"]["max_seq_length"], "max_seq_length", 3);
}

void read_config(const Json& config, Settings* settings) {
  for (const FeatureRow& row : kFeatureTable)
    if (row.flag && (row.is_in_every_model || config.has(row.flag)))
      settings->features[static_cast<size_t>(row.feature)] = config[row.flag].boolean();
  settings->use_highway = config["use_highway"].boolean();
  settings->use_crf = config["use_crf"].boolean();
  settings->word_length = whole(config["word_length"], "word_length", 1, kMostCharacters);
  settings->num_filters = whole(config["num_filters"], "num_filters", 1);
  settings->highway_layers = whole(config["highway_layers"], "highway_layers", 1);
  settings->rnn_size = whole(config["rnn_size"], "rnn_size", 1);
  settings->rnn_layers = whole(config["rnn_layers"], "rnn_layers", 1);
  for (const Json& width : config["chr_filter_widths"].array())
    settings->chr_filter_widths.push_back(whole(width, "a filter's width", 1));
  settings->chr_conv_type = config["chr_conv_type"].string();
  if (settings->chr_conv_type != "conv1d" && settings->chr_conv_type != "conv2d")
    throw Error("unknown chr_conv_type; export it again");
}

// Tags go into columns and C strings.
void check_tags(const std::vector<std::string>& tags) {
  using namespace std::string_view_literals;
  for (const std::string& tag : tags)
    if (tag.empty() || tag.find_first_of(" \t\r\n\0"sv) != std::string::npos)
      throw Error("a tag is empty, or has a blank in it; export it again");
}

void read_gazetteer(const Json& gazetteer, Settings* settings) {
  if (gazetteer.is_null()) return;
  settings->gazetteer_types = gazetteer["types"].strings();
  settings->features[static_cast<size_t>(Feature::kGazetteer)] = !settings->gazetteer_types.empty();
  if (settings->gazetteer_types.size() > kMostTypes)
    throw Error("a gazetteer has more than " + std::to_string(kMostTypes) +
                " types; export it again");
  const int types = static_cast<int>(settings->gazetteer_types.size());
  for (const Json& entry : gazetteer["names"].array()) {
    if (entry.array().size() != 2 || entry.array()[0].array().empty())
      throw Error("a gazetteer's name is not [words, types]; export it again");
    if (entry.array()[0].array().size() > kMostNameWords)
      throw Error("a gazetteer's name has more than " + std::to_string(kMostNameWords) +
                  " words; export it again");
    std::vector<int> kinds;
    for (const Json& kind : entry.array()[1].array())
      kinds.push_back(whole(kind, "a gazetteer's type", 0, types - 1));
    settings->gazetteer_names.emplace_back(entry.array()[0].strings(), std::move(kinds));
  }
}

}  // namespace

Settings Settings::parse(std::string_view text, const std::string& name) {
  Json json = Json::parse(text, name);
  try {
    if (json["format"].number() != kFormat)
      throw Error("its model_config has another format, expected " + std::to_string(kFormat) +
                  "; export it again with this version");
    Settings settings;
    read_config(json["config"], &settings);
    read_bert(json, &settings);
    settings.lowercase = json["lowercase"].boolean();
    settings.tag_scheme = json["tag_scheme"].string();
    settings.data_scheme = json["data_scheme"].string();
    settings.tags = json["tags"].strings();
    check_tags(settings.tags);
    settings.columns = json["columns"].strings();
    check_columns(settings.columns, "its columns");
    if (json.has("delimiter"))  // models from before do not say
      settings.delimiter = parse_delimiter(json["delimiter"].string());
    if (json.has("tokenizer")) settings.tokenizer = parse_tokenizer(json["tokenizer"].string());
    settings.vocab_hash = json["vocab_hash"].string();
    read_gazetteer(json["gazetteer"], &settings);
    if (json.has("feature_drop"))  // a model from before says nothing of it
      settings.feature_drop = json["feature_drop"].number() > 0;
    return settings;
  } catch (const Error& error) {
    throw Error(name + ": " + error.what());
  }
}

std::vector<std::string> Settings::types() const {
  std::set<std::string_view> types;
  for (const std::string& tag : tags)
    if (tag != "O") types.insert(data_scheme == kRaw ? tag : split_tag(tag).type);
  return {types.begin(), types.end()};
}

std::string Settings::missing_columns(bool has_pos, bool has_chunks,
                                      const std::string& whose) const {
  std::string columns;
  if (has(Feature::kPos) && !has_pos) columns = "pos";
  if (has(Feature::kChunk) && !has_chunks) columns += columns.empty() ? "chunk" : " and chunk";
  if (feature_drop || columns.empty()) return "";
  return "the model was trained with the " + columns + " column, which " + whose +
         " lacks: tags will be worse, unless it was trained with feature_drop";
}

}  // namespace etagger
