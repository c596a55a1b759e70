// Runs the smallest graph that freezes and serves, which train_sample.py wrote:  inference_sample
// [GRAPH]
#include <cstdio>
#include <string>
#include <vector>

#include "tagging/backend.h"
#include "base/cli.h"

int main(int argc, char** argv) {
  return etagger::run_command(argv[0], [&] {
    std::string graph = "exported/sample_frozen.pb";
    bool wait = false, trust = false;
    etagger::Cli cli(argc, argv, "",
                     "Prints what the line that train_sample.py has fitted says for a few x.");
    cli.flag("--graph", &graph, "the frozen graph (default exported/sample_frozen.pb)");
    cli.flag("--wait", &wait,
             "then wait for the end of standard input, so that one can look at the process");
    cli.trust_flag(&trust);
    cli.parse();
    etagger::Sink out("");
    std::vector<float> x = {-2, -1, 0, 1, 2};
    std::vector<float> y = etagger::run_once(graph, "x", {5}, x, "y", x.size(), trust);
    char row[80];
    for (size_t i = 0; i < x.size(); ++i) {
      std::snprintf(row, sizeof row, "%g %.4f\n", x[i], y[i]);
      out.write(row);
    }
    if (!wait) return;
    etagger::Source in("");
    while (in.read(row, sizeof row)) {
    }
  });
}
