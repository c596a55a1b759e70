// Tags the columns of standard input from several threads on one model, and compares with one
// thread:  threads MODEL THREADS < corpus
#include <iostream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "base/cli.h"
#include "engine/engine.h"
#include "engine/kernels.h"
#include "base/error.h"

namespace {

using etagger::Tags;

constexpr size_t kBatchSizes[] = {1, 7, 64};

// Each thread begins with a batch size of its own. Returns what each of them gave for each batch
// size.
std::vector<std::vector<Tags>> tag_in_threads(const etagger::Tagger& tagger,
                                              const std::vector<etagger::Sentence>& sentences,
                                              size_t count) {
  std::vector<std::vector<Tags>> all(count, std::vector<Tags>(std::size(kBatchSizes)));
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < count; ++thread)
    threads.emplace_back([&, thread] {
      for (size_t k = 0; k < std::size(kBatchSizes); ++k) {
        size_t which = (thread + k) % std::size(kBatchSizes);
        all[thread][which] = tagger.tag(sentences, 0, sentences.size(), kBatchSizes[which]);
      }
    });
  for (std::thread& thread : threads) thread.join();
  return all;
}

void run(const std::string& model, size_t count) {
  etagger::Run input{std::string(std::istreambuf_iterator<char>(std::cin), {})};
  std::vector<etagger::Block> blocks = etagger::blocks_of(input);
  for (const char* name : {"portable", "neon", "avx2", "avx512", "avx512vbmi"}) {
    if (!etagger::kernels_for(name)) continue;
    auto tagger = etagger::open_engine(model, name);
    etagger::SentenceParser parser("<stdin>", {}, tagger->settings().columns);
    std::vector<etagger::Sentence> sentences;
    for (etagger::Block& block : blocks)
      if (!block.rows.empty()) sentences.push_back(parser.parse(&block));
    std::vector<Tags> alone = tag_in_threads(*tagger, sentences, 1)[0];
    for (const std::vector<Tags>& tags : tag_in_threads(*tagger, sentences, count))
      if (tags != alone) throw etagger::Error(std::string(name) + ": a thread has other tags");
    std::cout << name << ": " << sentences.size() << " sentences, the same tags from " << count
              << " threads\n";
  }
}

}  // namespace

int main(int argc, char** argv) {
  return etagger::run_command(argv[0], [&] {
    etagger::Cli cli(argc, argv, "MODEL THREADS",
                     "Tags standard input from several threads, and compares with one.");
    std::string model, threads;
    cli.positional(&model, "MODEL", "an .etagger file");
    cli.positional(&threads, "THREADS", "how many");
    cli.parse();
    run(model, std::stoul(threads));
  });
}
