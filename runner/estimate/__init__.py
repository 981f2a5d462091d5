"""How long a run will take, here and on Azure, what it will cost, and how sure that is."""
