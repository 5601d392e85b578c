"""From revisions to SQL."""
