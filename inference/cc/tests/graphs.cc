// Opens and runs graphs:  graphs < PATHS
//
// Each line of standard input is a graph's path; a name that ends in .memmapped is a memory-mapped
// one. Each is opened and run on two sentences of four words, and a line says what came of it:
// `ran`, or the error. The tests look whether it is still alive at the end.
#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include "tagging/backend.h"
#include "base/error.h"

namespace {

using etagger::Input;

Input input(const std::string& name, std::vector<int64_t> shape) {
  size_t size = 1;
  for (int64_t dim : shape) size *= static_cast<size_t>(dim);
  return {name, std::move(shape), std::vector<int32_t>(size, 1)};
}

std::vector<Input> inputs() {
  std::vector<Input> all{{"sentence_length", {}, {4}},
                         input("input_data_wordchr_ids", {2, 4, 15}),
                         input("input_data_gazetteer", {2, 4, 2}),
                         input("elmo_input_data_wordchr_ids", {2, 6, 50})};
  for (const char* name :
       {"input_data_word_ids", "input_data_pos_ids", "input_data_chk_ids", "input_data_shape_ids",
        "bert_input_data_word_index", "bert_input_data_word_pieces"})
    all.push_back(input(name, {2, 4}));
  for (const char* name :
       {"bert_input_data_token_ids", "bert_input_data_token_masks", "bert_input_data_segment_ids"})
    all.push_back(input(name, {2, 8}));
  return all;
}

// what: open (and run), transform, or convert. What the latter two write is PATH.out.
void use(const std::string& what, const std::string& path) {
  bool mapped = path.size() > 10 && path.substr(path.size() - 10) == ".memmapped";
  if (what == "transform")
    etagger::transform_graph(path, "", "logits_indices",
                             "strip_unused_nodes merge_duplicate_nodes fold_constants "
                             "round_weights(num_steps=16) sort_by_execution_order",
                             path + ".out", false);
  else if (what == "convert")
    etagger::convert_to_memory_mapped(path, "", 100, path + ".out", false);
  else
    etagger::open_graph(
        path, mapped ? etagger::GraphFile::kMemoryMapped : etagger::GraphFile::kFrozen, 1, false)
        ->run(inputs());
}

std::string outcome(const std::string& what, const std::string& path) {
  try {
    use(what, path);
    return "ran";
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace

int main(int argc, char** argv) {
  for (std::string path; std::getline(std::cin, path);)
    std::cout << outcome(argc > 1 ? argv[1] : "open", path) << std::endl;
}
