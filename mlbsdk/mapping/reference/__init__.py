"""What a mapping makes, for people: tables, columns, sources, rules and a diagram, as Markdown and as HTML."""
