"""What a log means: sessions, people, signals, scores, stages, as pure functions of its entries."""
