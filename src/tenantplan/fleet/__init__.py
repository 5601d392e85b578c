"""The opened fleet: its servers, its store of packages, its plan files, and where its definitions come from."""
