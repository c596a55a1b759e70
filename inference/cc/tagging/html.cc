#include "tagging/html.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>

#include "base/utf8.h"

namespace etagger {
namespace {

constexpr size_t kColours = 7, kLines = 4;  // c0 to c6; s1 to s3, and the solid line

constexpr char kHead[] = R"html(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Entities</title>
<style>
.etagger mark { color: #1a1a1a; background: var(--tint); border-bottom: 3px solid var(--line);
  border-radius: 3px; padding: 0 3px; unicode-bidi: isolate;
  -webkit-box-decoration-break: clone; box-decoration-break: clone; }
.etagger mark::after { content: " " attr(data-type); font: 600 .7em system-ui, sans-serif;
  unicode-bidi: isolate; }
.etagger mark[data-score]::after { content: " " attr(data-type) " " attr(data-score); }
.etagger .c0 { --line: #0072b2; --tint: #80b9d9; --shade: #0c3b56; }
.etagger .c1 { --line: #e69f00; --tint: #f3cf80; --shade: #6c4e0c; }
.etagger .c2 { --line: #009e73; --tint: #80cfb9; --shade: #0c4e3c; }
.etagger .c3 { --line: #cc79a7; --tint: #e6bcd3; --shade: #613e52; }
.etagger .c4 { --line: #d55e00; --tint: #eaaf80; --shade: #65330c; }
.etagger .c5 { --line: #56b4e9; --tint: #abdaf4; --shade: #30576d; }
.etagger .c6 { --line: #f0e442; --tint: #f8f2a1; --shade: #706b27; }
.etagger .s1 { border-bottom-style: double; }
.etagger .s2 { border-bottom-style: dashed; }
.etagger .s3 { border-bottom-style: dotted; }
@media (prefers-color-scheme: dark) {
  .etagger mark { color: #f2f2f2; background: var(--shade); }
}
body { margin: 0 auto; padding: 1rem; max-width: 60rem; color: #1a1a1a; background: #fff;
  font: 1rem/2 system-ui, sans-serif; }
p { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: plaintext; }
header mark::after { content: none; }
@media (prefers-color-scheme: dark) {
  body { color: #f2f2f2; background: #15171a; }
}
</style>
</head>
<body class="etagger">
<header>
<h1>Entities</h1>
)html";
constexpr char kFoot[] = "</main>\n</body>\n</html>\n";

std::string look(size_t type) {
  std::string classes = "c" + std::to_string(type % kColours);
  const size_t line = type / kColours % kLines;
  if (line) classes += " s" + std::to_string(line);
  return classes;
}

void append_escaped(std::string_view text, std::string* out) {
  for (size_t at = 0; at < text.size();) {
    const auto [code, size] = character_at(text, at);
    switch (code) {
      case '&':
        out->append("&amp;");
        break;
      case '<':
        out->append("&lt;");
        break;
      case '>':
        out->append("&gt;");
        break;
      case '"':
        out->append("&quot;");
        break;
      case '\r':
        out->append("&#13;");
        break;
      case 0x7F:
        append_utf8(0x2421, out);
        break;
      case kBadByte:
        append_utf8(0xFFFD, out);
        break;
      default:
        if (code < ' ' && code != '\t' && code != '\n')
          append_utf8(0x2400 + code, out);
        else
          out->append(text.substr(at, size));
    }
    at += size;
  }
}

}  // namespace

std::string html_head(const std::vector<std::string>& types) {
  std::string out = kHead;
  out += "<p>";
  for (size_t i = 0; i < types.size(); ++i) {
    out.append(i ? " " : "").append("<mark class=\"").append(look(i)).append("\">");
    append_escaped(types[i], &out);
    out += "</mark>";
  }
  out += "</p>\n</header>\n<main lang=\"\">\n";
  return out;
}

std::string html_foot() {
  return kFoot;
}

void HtmlWriter::append(std::string_view text, const std::vector<std::string_view>& words,
                        const std::vector<Entity>& entities, const std::vector<double>& scores,
                        std::string* out) const {
  out->append("<p>");
  size_t at = 0;  // the text before this byte is written
  for (size_t i = 0; i < entities.size(); ++i) {
    const Entity& entity = entities[i];
    const std::string_view last = words[entity.end - 1];
    const size_t begin = static_cast<size_t>(words[entity.start].data() - text.data());
    const size_t end = static_cast<size_t>(last.data() - text.data()) + last.size();
    append_escaped(text.substr(at, begin - at), out);
    const auto type = std::lower_bound(types_.begin(), types_.end(), entity.type);
    out->append("<mark class=\"").append(look(static_cast<size_t>(type - types_.begin())));
    out->append("\" data-type=\"");
    append_escaped(entity.type, out);
    if (!scores.empty()) {
      char score[32];
      std::snprintf(score, sizeof score, "\" data-score=\"%.3f", scores[i]);
      out->append(score);
    }
    out->append("\">");
    append_escaped(text.substr(begin, end - begin), out);
    out->append("</mark>");
    at = end;
  }
  append_escaped(text.substr(at), out);
  out->append("</p>\n");
}

void HtmlWriter::append(const std::vector<std::string_view>& words,
                        const std::vector<Entity>& entities, const std::vector<double>& scores,
                        std::string* out) const {
  std::string text;
  const std::vector<std::string_view> places = join(words, &text);
  append(text, places, entities, scores, out);
}

}  // namespace etagger
