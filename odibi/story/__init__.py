"""Stories: what a run did, as data (`story.json`), as Markdown and as one self-contained page."""
