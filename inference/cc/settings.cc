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
    settings.word_length = static_cast<int>(config["word_length"].number());
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
