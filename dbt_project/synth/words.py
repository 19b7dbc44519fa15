"""Words that titles, names and keywords are put together from."""

ADJECTIVES = [
    "Silent", "Crooked", "Golden", "Paper", "Winter", "Last", "Second", "Broken", "Distant", "Hidden", "Burning",
    "Hollow", "Scarlet", "Quiet", "Electric", "Lonely", "Velvet", "Savage", "Gentle", "Midnight", "Frozen",
    "Borrowed", "Restless", "Invisible", "Wild", "Faithful", "Secret", "Bitter", "Northern", "Stolen", "Endless",
    "Forgotten", "Little", "Perfect", "Strange", "Blue", "Iron", "Glass", "Honest", "Reckless",
]  # fmt: skip
NOUNS = [
    "Harbour", "River", "Orchard", "Station", "Mirror", "Garden", "Letter", "Kingdom", "Shadow", "Bridge", "Summer",
    "Stranger", "Island", "Promise", "Tower", "Highway", "Daughter", "Soldier", "Circus", "Lighthouse", "Market",
    "Sparrow", "Empire", "Cabin", "Machine", "Horizon", "Teacher", "Thief", "Wedding", "Carnival", "Desert",
    "Detective", "Railway", "Violin", "Planet", "Village", "Storm", "Hunter", "Masquerade", "Meadow", "Captain",
    "Doctor", "Ocean", "Witness", "Notebook", "Museum", "Fortune", "Ballroom", "Verdict", "Signal",
]  # fmt: skip
FIRST_NAMES = [
    "Ana", "Jürgen", "María", "Wei", "Ivan", "Zoë", "Amit", "Łukasz", "Chloé", "Yusuf", "Grace", "Min-jun", "Peter",
    "Olga", "Kwame", "Sofia", "Henrik", "Yuki", "Carmen", "Tomás", "Leila", "Marek", "Aisha", "Diego", "Ingrid",
    "Paolo", "Fatima", "Noah", "Emma", "Viktor", "Priya", "Hugo", "Mei", "Samuel", "Elena", "Omar", "Greta", "Luca",
    "Nadia", "Erik", "Rosa", "Daniel", "Hana", "Felix", "Irene", "Mateo", "Clara", "Joao", "Astrid", "Kenji",
]  # fmt: skip
LAST_NAMES = [
    "Okafor", "Sørensen", "Petrov", "Yamada", "Núñez", "O'Brien", "Sharma", "García", "Kim", "Weiß", "Novak", "Rossi",
    "Dubois", "Haddad", "Lindqvist", "Costa", "Ito", "Kowalski", "Moreau", "Singh", "Fischer", "Romano", "Andersson",
    "Silva", "Nguyen", "Cohen", "Murphy", "Bauer", "Horvat", "Santos", "Tanaka", "Wilson", "Ali", "Jansen", "Popescu",
    "Marino", "Larsen", "Fernández", "Park", "Schmidt", "Vargas", "Clarke", "Demir", "Keita", "Laine", "Mbeki",
    "Ortiz", "Quinn", "Reyes", "Varga",
]  # fmt: skip
KEYWORDS = [
    "heist", "revenge", "friendship", "robot", "train", "snow", "courtroom", "orchestra", "lighthouse", "border",
    "chess", "road trip", "small town", "time travel", "found family", "boxing", "spaceship", "submarine", "election",
    "wedding", "inheritance", "amnesia", "dog", "high school", "summer", "hospital", "war veteran", "undercover",
    "kidnapping", "treasure", "vampire", "zombie", "alien", "gangster", "prison", "escape", "dance", "cooking",
    "mountain", "desert", "island", "storm", "ghost", "witch", "king", "dragon", "horse", "football", "baseball",
    "newspaper", "lawyer", "doctor", "teacher", "painter", "writer", "singer", "poker", "casino", "bank robbery",
    "conspiracy", "spy", "assassin", "martial arts", "samurai", "sheriff", "outlaw", "gold rush", "plague", "famine",
    "revolution", "dictator", "journalist", "photographer", "twins", "sisters", "brothers", "orphan", "grandmother",
    "divorce", "affair", "jealousy", "obsession", "memory", "dream", "nightmare", "circus", "theater", "ballet",
    "jazz", "piano", "violin", "opera", "motorcycle", "car chase", "airplane", "pilot", "sailor", "pirate", "farm",
    "village", "metropolis", "suburb", "university", "library", "museum", "factory", "strike", "atmospheric", "slow",
    "funny", "predictable", "masterpiece", "overrated", "clever", "violent", "touching", "boring", "stylish",
    "surreal", "twist ending", "feel good", "thought provoking", "dark", "quirky", "bleak", "visually appealing",
    "great acting",
]  # fmt: skip
