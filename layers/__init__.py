"""The layers of model.py, one family in each file. They know nothing of files, ids or flags."""
