"""The command line door: `fermata …` for operators and newcomers."""
