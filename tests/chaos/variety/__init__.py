"""What the chaos driver's numbered messages do not cover. One module for each subject; run.py puts them together."""
