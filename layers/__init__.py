"""The layers that model.py is made of, one family a file. They know nothing of files, ids or flags."""
