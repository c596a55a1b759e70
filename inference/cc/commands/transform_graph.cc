// Transforms a frozen graph with the transforms of TensorFlow's Graph Transform Tool.
//
//   transform_graph --in_graph=ner_frozen.pb --out_graph=ner_frozen.pb.transformed
//     --inputs=sentence_length,input_data_word_ids,... --outputs=logits_indices,sentence_lengths
//     --transforms='strip_unused_nodes merge_duplicate_nodes round_weights(num_steps=256)
//     sort_by_execution_order'
#include "tagging/backend.h"
#include "base/cli.h"
#include "base/error.h"

int main(int argc, char** argv) {
  return etagger::run_command(argv[0], [&] {
    std::string in_graph, out_graph, inputs, outputs = "logits_indices,sentence_lengths",
                                             transforms;
    etagger::Cli cli(argc, argv, "",
                     "Transforms a frozen graph; an etagger model keeps its model_config.");
    cli.flag("--in_graph", &in_graph, "the frozen graph");
    cli.flag("--out_graph", &out_graph, "where to write");
    cli.flag("--inputs", &inputs,
             "names of placeholders, with commas; those that are left out are added");
    cli.flag(
        "--outputs", &outputs,
        "names of what is to be computed, with commas (default logits_indices,sentence_lengths)");
    cli.flag("--transforms", &transforms,
             "such as 'strip_unused_nodes merge_duplicate_nodes sort_by_execution_order'");
    bool trust = false;
    cli.trust_flag(&trust);
    cli.parse();
    if (in_graph.empty() || out_graph.empty() || transforms.empty())
      throw etagger::Error("expected --in_graph, --out_graph and --transforms; see --help");
    etagger::TemporaryFile out(out_graph);
    for (const std::string& line :
         etagger::transform_graph(in_graph, inputs, outputs, transforms, out.path(), trust))
      etagger::note(line);
    out.rename();
  });
}
