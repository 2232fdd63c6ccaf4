package git

// Dir is where the store is, for tests that damage it.
func (s *Store) Dir() string { return s.dir }
