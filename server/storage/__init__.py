"""Two databases behind one protocol, the writer, and one file of SQL functions per noun."""
