// Moves the weights of a graph into regions of a file that can be mapped into memory.
//
//   convert_graphdef_memmapped_format --in_graph=ner_frozen.pb --out_graph=ner_frozen.pb.memmapped
//
// A graph whose weights are over protobuf's 2 GB cannot be frozen; its unfrozen graph and its
// checkpoint are converted instead:
//
//   convert_graphdef_memmapped_format --in_graph=ner_graph.pb --in_checkpoint=ner_model
//   --out_graph=ner_frozen.pb.memmapped
#include "tagging/backend.h"
#include "base/cli.h"
#include "base/error.h"

int main(int argc, char** argv) {
  return etagger::run_command(argv[0], [&] {
    std::string in_graph, out_graph, in_checkpoint;
    int smallest = 10000;
    etagger::Cli cli(
        argc, argv, "",
        "Moves a graph's weights into regions of a file that can be mapped into memory.");
    cli.flag("--in_graph", &in_graph,
             "a frozen graph; with --in_checkpoint the unfrozen one that export.py wrote");
    cli.flag("--out_graph", &out_graph, "where to write");
    cli.flag("--in_checkpoint", &in_checkpoint,
             "prefix of the exported checkpoint, where the graph is not frozen");
    cli.flag("--min_conversion_size_bytes", &smallest,
             "smaller weights stay in the graph (default 10000)");
    bool trust = false;
    cli.trust_flag(&trust);
    cli.parse();
    if (in_graph.empty() || out_graph.empty())
      throw etagger::Error("expected --in_graph and --out_graph; see --help");
    etagger::TemporaryFile out(out_graph);
    std::string done =
        etagger::convert_to_memory_mapped(in_graph, in_checkpoint, smallest, out.path(), trust);
    out.rename();
    etagger::note(out_graph + ": " + done);
  });
}
