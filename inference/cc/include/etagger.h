/* etagger: tags the words of sentences with a trained model.
 *
 *   etagger_model *model = etagger_open("model.etagger");
 *   const char *words[] = {"Sumogetti", "left", "Vremland"}, *tags[3];
 *   if (!model || etagger_tag(model, words, NULL, NULL, 3, tags))
 *     fprintf(stderr, "%s\n", etagger_error());
 *   else
 *     for (int i = 0; i < 3; ++i) printf("%s %s\n", words[i], tags[i]);
 *   etagger_close(model);
 *
 * Two sentences, "Sumogetti left" and "Vremland", at once:
 *
 *   size_t lengths[] = {2, 1};
 *   etagger_tag_sentences(model, words, NULL, NULL, lengths, 2, 0, tags);
 *
 * A text, of which the library makes words itself:
 *
 *   const char *text = "Sumogetti left Vremland.";
 *   size_t count;
 *   etagger_result *result = etagger_tag_text(model, text, strlen(text), ETAGGER_SCORES);
 *   const etagger_entity *found = etagger_entities(result, &count);
 *   for (size_t i = 0; i < count; ++i)
 *     printf("%s %zu %zu %.3f\n", found[i].type, found[i].start, found[i].end, found[i].score);
 *   etagger_free(result);
 *
 * Text is UTF-8 and ends in NUL, unless its size is given; bytes that are not UTF-8 count as
 * unknown characters. A word is any text but the empty one: blanks within do not part it.
 *
 * Ownership: what you pass stays yours and is not needed once the call is back. Tags, types and
 * names that you get belong to the model and hold until it is closed; there is nothing to free but
 * the model and results.
 * Its file stays mapped into memory while it is open: put a new file in its place by renaming, do
 * not write over it. The next call reports a file that was cut short; one that is cut short
 * in the middle of a call ends the process with SIGBUS.
 *
 * Processes: a fork goes on with an .etagger model, and shares its memory. It cannot use a model
 * of TensorFlow's, and every call says so.
 *
 * Threads: every function may be called from any thread, and any number of threads may use one
 * model at the same time; they do not wait for each other. Each keeps scratch memory, as much as
 * its largest batch has needed, until it ends. Only etagger_close must come when no other call uses
 * the model.
 */
#ifndef ETAGGER_H
#define ETAGGER_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ETAGGER_API __attribute__((visibility("default")))

typedef struct etagger_model etagger_model; /* a model, opaque */

/* Opens a model: an .etagger file (inference/export.py --engine writes it); or a folder with
 * vocab.txt and ner_frozen.pb.memmapped, or without that one ner_frozen.pb, which is tagged with by
 * TensorFlow where the library was built with it (its log stays off standard error unless
 * TF_CPP_MIN_LOG_LEVEL is 0). Returns NULL where it cannot be opened: etagger_error() says why. */
ETAGGER_API etagger_model* etagger_open(const char* path);

/* The same, for a folder whose graph may hold any op of TensorFlow's: such a graph may do what its
 * maker likes, also read and write files. etagger_open refuses what etagger's own graphs do not
 * hold. */
ETAGGER_API etagger_model* etagger_open_trusted(const char* path);

/* Tags a sentence of `count` words. pos and chunks are its part-of-speech and chunk columns, as
 * many as words, or NULL where there are none. Fills tags[0 .. count-1] with tags in the scheme of
 * the training data. Returns 0, or -1 where it failed: etagger_error() says why, and `tags` is not
 * to be used. */
ETAGGER_API int etagger_tag(const etagger_model* model, const char* const* words,
                            const char* const* pos, const char* const* chunks, size_t count,
                            const char** tags);

/* The same for many sentences, in batches and on up to `threads` threads, the caller's among them;
 * 0: one for each core. words, pos, chunks and tags hold all sentences, one after the other;
 * lengths[0 .. sentences-1] is how many words each has, 0 included. The tags are those of
 * etagger_tag, sentence by sentence; but a model with document context (bert_context) reads each
 * sentence with those around it in the list, as far as one of the single word -DOCSTART-. */
ETAGGER_API int etagger_tag_sentences(const etagger_model* model, const char* const* words,
                                      const char* const* pos, const char* const* chunks,
                                      const size_t* lengths, size_t sentences, int threads,
                                      const char** tags);

/* Tags a file of columns (or standard input and output, where a path is NULL): each row comes out
 * with its tag after it, in constant memory, on `threads` threads; 0: one for each core. columns:
 * such as "word pos chunk tag", _ to ignore one, id first in CoNLL-U, or NULL: by their number. The
 * output bears its name once it is whole; until then its name ends in a point and six letters more.
 * A sentence of more than 100,000 rows is tagged in pieces of so many, each as a sentence of its
 * own; a line of more than 16 MB is refused. Returns 0, or -1 where it failed. */
ETAGGER_API int etagger_tag_file(const etagger_model* model, const char* input, const char* output,
                                 const char* columns, int threads);

/* The same with a delimiter: "tab", each single tab separates columns, for tokens with spaces and
 * empty fields; "space", spaces and tabs do, runs count as one; or NULL: as the model was trained.
 */
ETAGGER_API int etagger_tag_columns(const etagger_model* model, const char* input,
                                    const char* output, const char* columns, const char* delimiter,
                                    int threads);

/* An entity of a sentence: words start to end - 1. The type belongs to the model. */
typedef struct etagger_span {
  const char* type;
  size_t start, end;
  double score; /* the probability that just these words are an entity of just this type */
} etagger_span;

/* Tags a sentence as etagger_tag does, and says how sure the model is of it. Fills tags[0 ..
 * count-1]; probabilities[0 .. count-1], that of each tag, or of the one that stands for it in the
 * scheme in which the model has learned; and *found entities, `count` at most, from left to right:
 * all arrays are of the caller, with room for `count`. temperature: what the model's scores are
 * divided by before they become probabilities, 1 or what calibration.py fits; it changes no tag. An
 * .etagger file alone has scores. Returns 0, or -1 where it failed. */
ETAGGER_API int etagger_confident(const etagger_model* model, const char* const* words,
                                  const char* const* pos, const char* const* chunks, size_t count,
                                  double temperature, const char** tags, double* probabilities,
                                  etagger_span* entities, size_t* found);

/* The n most probable tag sequences of a sentence, n from 1 to 1000: *found of them, fewer than n
 * where there are no more, the best first. Fills probabilities[0 .. *found-1] and, `count` for
 * each, tags[0 .. *found * count - 1]: the caller's, with room for n and for n * count. The rest is
 * as for etagger_confident. */
ETAGGER_API int etagger_nbest(const etagger_model* model, const char* const* words,
                              const char* const* pos, const char* const* chunks, size_t count,
                              size_t n, double temperature, const char** tags,
                              double* probabilities, size_t* found);

/* An entity of a text. Places begin at 0 and ends are exclusive. */
typedef struct etagger_entity {
  const char* type;
  size_t start, end;           /* in the text, in the unit that the flags say */
  size_t first_byte, end_byte; /* the same in bytes */
  double score;                /* its probability, 0 to 1; NaN without ETAGGER_SCORES */
  size_t text;                 /* which of the texts, from 0 */
} etagger_entity;

typedef struct etagger_result etagger_result; /* entities of texts, opaque */

/* Flags of the calls below. Without ETAGGER_UTF16 or ETAGGER_BYTES, places count Unicode code
 * points of the text as it was given. UTF-16 units are what strings of JavaScript, Java and C#
 * count. A byte that is not UTF-8 counts as one, whatever the unit. */
#define ETAGGER_SPLIT 1u  /* a line may have several sentences; else each line is one */
#define ETAGGER_SCORES 2u /* of an .etagger file alone */
#define ETAGGER_UTF16 4u
#define ETAGGER_BYTES 8u

/* Finds the entities of a text of `size` bytes, which may hold NUL. It is split into tokens as the
 * model was trained: see etagger_tokenizer. Every line is a sentence; with ETAGGER_SPLIT a line is
 * split further, by Unicode's rules and by abbreviations. A byte order mark at the beginning
 * belongs to no word. A line of more than 100,000 words is tagged in pieces of so many. flags: the
 * sum of those that are wanted. Returns a result that etagger_free frees, or NULL where it failed.
 */
ETAGGER_API etagger_result* etagger_tag_text(const etagger_model* model, const char* text,
                                             size_t size, unsigned flags);

/* The same for many texts, texts[i] of sizes[i] bytes, on up to `threads` threads; 0: one for each
 * core. A text of many lines is tagged by several threads as well. */
ETAGGER_API etagger_result* etagger_tag_texts(const etagger_model* model, const char* const* texts,
                                              const size_t* sizes, size_t count, unsigned flags,
                                              int threads);

/* The entities of a result, text by text and from left to right; *count: how many. They hold until
 * the result is freed. NULL and 0 for NULL. */
ETAGGER_API const etagger_entity* etagger_entities(const etagger_result* result, size_t* count);

/* How many tokens each text of a result has; *count: how many texts. NULL and 0 for NULL. */
ETAGGER_API const size_t* etagger_tokens(const etagger_result* result, size_t* count);

/* The `count` most probable readings of a text that is one sentence, 1 to 1,000, or all where there
 * are fewer, the best first. The `text` of an entity is the number of its reading, from 0, and
 * entities have no score of their own. flags: ETAGGER_UTF16, ETAGGER_BYTES or 0. Of an .etagger
 * file alone. Returns a result that etagger_free frees, or NULL where it failed, such as where
 * several lines have words. */
ETAGGER_API etagger_result* etagger_nbest_text(const etagger_model* model, const char* text,
                                               size_t size, size_t count, unsigned flags);

/* The probabilities of a result's readings; *count: how many. NULL and 0 for any other result. */
ETAGGER_API const double* etagger_probabilities(const etagger_result* result, size_t* count);

/* Frees a result; NULL is allowed. */
ETAGGER_API void etagger_free(etagger_result* result);

/* For languages whose calls of C are slow: etagger_tag_text in one call. Fills the first `room` of
 * `entities` and returns how many there are; -1: it failed. Where there are more than `room`,
 * *result has all of them, and is to be freed; else it is NULL. *tokens: how many tokens the text
 * has; NULL where nobody asks. */
ETAGGER_API long etagger_tag_text_into(const etagger_model* model, const char* text, size_t size,
                                       unsigned flags, etagger_entity* entities, size_t room,
                                       etagger_result** result, size_t* tokens);

/* From now on, this thread's calls that tag (etagger_tag_sentences, etagger_tag_file,
 * etagger_tag_texts, etagger_nbest and others) end soon with -1 or NULL once *stop is not 0, and
 * leave no output. stop: NULL takes it back; another thread may set it, as an atomic. */
ETAGGER_API void etagger_stop_at(const int* stop);

/* For languages that have no char *[]: etagger_tag_sentences in one call. `joined` holds the words
 * of all sentences one after the other, each with its NUL, `size` bytes; after them the pos column
 * and then the chunks, where has_pos and has_chunks are not 0. */
ETAGGER_API int etagger_tag_joined(const etagger_model* model, const char* joined, size_t size,
                                   int has_pos, int has_chunks, const size_t* lengths,
                                   size_t sentences, int threads, const char** tags);

/* For languages that have no char *[]: `joined` holds `count` texts one after the other, each with
 * its NUL; fills texts[0 .. count-1] with where each begins in it. */
ETAGGER_API void etagger_split(const char* joined, size_t count, const char** texts);

/* The tags that the model may give: how many, and the name of one, index < count, or else NULL. */
ETAGGER_API size_t etagger_tag_count(const etagger_model* model);
ETAGGER_API const char* etagger_tag_name(const etagger_model* model, size_t index);

/* The types of entities that it may give, sorted: the same for them. */
ETAGGER_API size_t etagger_type_count(const etagger_model* model);
ETAGGER_API const char* etagger_type_name(const etagger_model* model, size_t index);

/* What splits text into tokens for the model, as its training data were: "words", or "characters",
 * where each character that is no white space is a token; NULL for NULL. */
ETAGGER_API const char* etagger_tokenizer(const etagger_model* model);

/* Whether the model looks at a column, "word", "pos" or "chunk": 1 or 0. One that it does not look
 * at need not be given; without one that it looks at, tags are worse. */
ETAGGER_API int etagger_uses(const etagger_model* model, const char* column);

/* Differs from model to model: the size of its file and a checksum of its contents, such as
 * "8123456-1c291ca3"; NULL for NULL. A copy of the file has the same. */
ETAGGER_API const char* etagger_fingerprint(const etagger_model* model);

/* Closes a model; NULL is allowed. */
ETAGGER_API void etagger_close(etagger_model* model);

/* What went wrong in this thread's last call that failed, one line of UTF-8 without control
 * characters; it holds until the next such call. */
ETAGGER_API const char* etagger_error(void);

/* What makes the tags of this thread's last call that tags worse, though it succeeded: the columns
 * that the model was trained with (without feature_drop) and that the call or the file lacks. One
 * line, or "": nothing. It holds until the next such call. */
ETAGGER_API const char* etagger_warning(void);

/* The version, such as "0.1.0". */
ETAGGER_API const char* etagger_version(void);

#ifdef __cplusplus
}
#endif

#endif /* ETAGGER_H */
