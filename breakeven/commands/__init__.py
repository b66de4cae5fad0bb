"""The commands, by what people use them for; `breakeven.cli` puts them together."""
