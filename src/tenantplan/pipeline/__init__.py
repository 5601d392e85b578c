"""The pipeline, in one direction: files and servers in, a Plan out; a Plan in, a Report out. No stage calls back."""
