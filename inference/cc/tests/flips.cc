// Flips each bit of an .etagger file in memory, one at a time, and prints the places of those that
// verifying accepts:  flips MODEL
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <new>
#include <string>

#include "base/cli.h"
#include "engine/model_file.h"
#include "base/error.h"

namespace {

bool is_whole(std::string_view bytes) {
  try {
    etagger::ModelFile("flipped", bytes).verify();
    return true;
  } catch (const etagger::Error&) {
    return false;
  }
}

void run(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  auto release = [](char* data) { ::operator delete(data, std::align_val_t(64)); };
  std::unique_ptr<char, decltype(release)> data(
      static_cast<char*>(::operator new(text.size(), std::align_val_t(64))), release);
  text.copy(data.get(), text.size());
  std::string_view bytes(data.get(), text.size());
  if (!is_whole(bytes)) throw etagger::Error(path + ": damaged as it is");
  for (size_t at = 0; at < text.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      data.get()[at] = static_cast<char>(text[at] ^ 1 << bit);
      if (is_whole(bytes)) std::cout << "byte " << at << " bit " << bit << "\n";
      data.get()[at] = text[at];
    }
  std::cout << 8 * text.size() << " bits flipped\n";
}

}  // namespace

int main(int argc, char** argv) {
  return etagger::run_command(argv[0], [&] {
    etagger::Cli cli(argc, argv, "MODEL",
                     "Flips each bit of a model, and prints those that verifying accepts.");
    std::string model;
    cli.positional(&model, "MODEL", "an .etagger file");
    cli.parse();
    run(model);
  });
}
