"""The applications that serve_http.py compares the server with, each in uvicorn with the same
settings.

    python benchmarks/peers/http_apps.py asgi --port 5001

asgi     a bare ASGI application, which reads the body and answers a constant
fastapi  a bare FastAPI endpoint, which validates the body and answers a constant
spacy    spaCy's small model in FastAPI: a `def` endpoint that tags texts by nlp.pipe. If the model
         is not installed, an untrained one with the same components and sizes takes its place: it
         does the same arithmetic, and its entities are meaningless. Needs spaCy.
"""

import argparse
import json

ANSWER = {
    "text": "Sumogetti left Vremland .",
    "ents": ["LOC", "PER"],
    "spans": [
        {"start": 0, "end": 9, "type": "PER", "score": 0.98},
        {"start": 15, "end": 23, "type": "LOC", "score": 0.97},
    ],
}


def asgi(_):
    body = json.dumps(ANSWER).encode()
    head = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]

    async def app(scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})

    return app


def fastapi(_):
    from fastapi import FastAPI
    from pydantic import BaseModel

    class Texts(BaseModel):
        text: str | None = None
        texts: list[str] | None = None

    app = FastAPI()

    @app.post("/parse")
    async def parse(body: Texts):
        return ANSWER

    return app


def spacy(name):
    from fastapi import FastAPI
    from pydantic import BaseModel

    nlp = small_model(name)

    class Texts(BaseModel):
        text: str | None = None
        texts: list[str] | None = None

    app = FastAPI()

    @app.post("/parse")
    def parse(body: Texts):
        texts = body.texts if body.text is None else [body.text]
        return [
            [
                {"start": ent.start_char, "end": ent.end_char, "label": ent.label_}
                for ent in doc.ents
            ]
            for doc in nlp.pipe(texts)
        ]

    return app


def small_model(name):
    """spaCy's pipeline `name`; if it is not installed, an untrained one of the same components."""
    import spacy

    try:
        return spacy.load(name)
    except OSError:
        pass
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec")
    shared = {
        "@architectures": "spacy.Tok2VecListener.v1",
        "width": 96,
        "upstream": "tok2vec",
    }
    nlp.add_pipe(
        "tagger", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": shared}}
    )
    nlp.add_pipe(
        "parser",
        config={
            "model": {
                "@architectures": "spacy.TransitionBasedParser.v2",
                "state_type": "parser",
                "extra_state_tokens": False,
                "hidden_width": 64,
                "maxout_pieces": 2,
                "use_upper": True,
                "tok2vec": shared,
            }
        },
    )
    nlp.add_pipe("attribute_ruler")
    nlp.add_pipe("ner")
    for tag in ("NN", "NNP", "VB", "DT", "IN", "JJ", "."):
        nlp.get_pipe("tagger").add_label(tag)
    for label in ("nsubj", "dobj", "det", "prep", "pobj", "ROOT", "punct"):
        nlp.get_pipe("parser").add_label(label)
    for label in ("PERSON", "ORG", "GPE", "DATE", "CARDINAL", "NORP", "LOC", "MONEY"):
        nlp.get_pipe("ner").add_label(label)
    nlp.initialize()
    return nlp


APPS = {"asgi": asgi, "fastapi": fastapi, "spacy": spacy}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("app", choices=APPS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--spacy_model", default="en_core_web_sm")
    args = parser.parse_args()
    import uvicorn

    uvicorn.run(
        APPS[args.app](args.spacy_model),
        port=args.port,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
