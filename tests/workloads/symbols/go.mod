module pilotlight.test/symbols

go 1.18
