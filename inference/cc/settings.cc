#include "settings.h"

#include "error.h"
#include "json.h"

namespace etagger {
namespace {

constexpr int kFormat = 1;

}  // namespace

Settings Settings::parse(std::string_view text, const std::string& name) {
  Json json = Json::parse(text, name);
  try {
    if (json["format"].number() != kFormat)
      throw Error("its model_config has format " + std::to_string(static_cast<int>(json["format"].number())) + ", expected " +
                  std::to_string(kFormat) + "; export it again with this version");
    Settings settings;
    const Json& config = json["config"];
    settings.use_word = config["use_word"].boolean();
    settings.use_chr = config["use_chr"].boolean();
    settings.use_pos = config["use_pos"].boolean();
    settings.use_chk = config["use_chk"].boolean();
    settings.use_shape = config["use_shape"].boolean();
    auto positive = [&](const char* name) {
      double number = config[name].number();
      if (!(number >= 1 && number <= 1 << 20)) throw Error(std::string("its ") + name + " is out of range; export it again");
      return static_cast<int>(number);
    };
    settings.word_length = positive("word_length");
    settings.chr_conv_type = config["chr_conv_type"].string();
    for (const Json& width : config["chr_filter_widths"].array()) settings.chr_filter_widths.push_back(static_cast<int>(width.number()));
    settings.num_filters = positive("num_filters");
    settings.use_highway = config["use_highway"].boolean();
    settings.use_crf = config["use_crf"].boolean();
    settings.highway_layers = positive("highway_layers");
    settings.rnn_size = positive("rnn_size");
    settings.rnn_layers = positive("rnn_layers");
    settings.lowercase = json["lowercase"].boolean();
    settings.tag_scheme = json["tag_scheme"].string();
    settings.data_scheme = json["data_scheme"].string();
    settings.tags = json["tags"].strings();
    settings.columns = json["columns"].strings();
    settings.vocab_hash = json["vocab_hash"].string();
    const Json& gazetteer = json["gazetteer"];
    if (!gazetteer.is_null()) {
      settings.gazetteer_types = gazetteer["types"].strings();
      for (const Json& entry : gazetteer["names"].array()) {
        std::vector<int> kinds;
        for (const Json& kind : entry.array().at(1).array()) kinds.push_back(static_cast<int>(kind.number()));
        settings.gazetteer_names.emplace_back(entry.array().at(0).strings(), std::move(kinds));
      }
    }
    return settings;
  } catch (const std::exception& error) {
    throw Error(name + ": " + error.what());
  }
}

}  // namespace etagger
