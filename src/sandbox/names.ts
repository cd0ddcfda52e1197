import type { CountryCode } from "./countries.ts";

/** A name as it is written, how an e-mail address spells it, and what friends say instead. */
export interface Name {
  readonly text: string;
  readonly latin: string;
  readonly nickname: string | null;
}

/** Given and family names that go together, and where the people who bear them live. */
export interface Culture {
  readonly weight: number;
  readonly countries: readonly CountryCode[];
  readonly given: readonly Name[];
  readonly family: readonly Name[];
}

const SPECIAL: Readonly<Record<string, string>> = { ø: "o", æ: "ae", ß: "ss", ł: "l", đ: "d" };

/** The ASCII letters an address would use for a Latin-script name. */
const plain = (text: string) =>
  text
    .toLowerCase()
    .normalize("NFD")
    .replace(/[øæßłđ]/g, letter => SPECIAL[letter] ?? letter)
    .replace(/[^a-z]/g, "");

/** Reads `text`, `text~nickname` or `text=latin~nickname`, separated by spaces; an underscore stands for a blank. */
const names = (list: string): Name[] =>
  list.split(/\s+/).map(entry => {
    const [written = "", nickname] = entry.split("~");
    const [text = "", latin] = written.replaceAll("_", " ").split("=");
    return { text, latin: latin ?? plain(text), nickname: nickname ?? null };
  });

const culture = (weight: number, countries: readonly CountryCode[], given: string, family: string): Culture => ({
  weight,
  countries,
  given: names(given),
  family: names(family),
});

/** The cultures of the population. Weights are relative. */
export const cultures: readonly Culture[] = [
  culture(
    30,
    ["US", "US", "US", "GB", "CA", "AU"],
    `William~Bill Robert~Bob Elizabeth~Liz Margaret~Peggy James~Jim Katherine~Kate Michael~Mike Jennifer~Jen Thomas~Tom
     Alexandra~Alex Richard~Dick Susan~Sue Joseph~Joe Patricia~Pat Daniel~Dan Rebecca~Becky Samuel~Sam Victoria~Vicky
     Anthony~Tony Christine~Chris Benjamin~Ben Deborah~Debbie Edward~Ted Olivia~Liv Grace Henry~Harry Mary-Jane~MJ`,
    `Smith Johnson Williams Brown Jones Miller Davis Wilson Anderson Taylor Moore Jackson Martin Thompson White Clark
     Lewis Walker Hall Young King Wright Hill Green Adams Baker Carter Mitchell Roberts Turner Parker-Bowes Lloyd-Webber`,
  ),
  culture(
    5,
    ["IE", "GB"],
    "Siobhán Seán Niamh Pádraig~Paddy Aoife Ciarán Sinéad Eoin Róisín Oisín Caoimhe Conor",
    "O'Brien O'Connor O'Neill Murphy Kelly Walsh McCarthy Ó_Súilleabháin D'Arcy Gallagher",
  ),
  culture(
    12,
    ["DE"],
    "Jürgen Sebastian~Basti Katharina~Kathi Björn Käthe Maximilian~Max Johannes~Hannes Anneliese~Anne Günther Ulrike~Uli Karl-Heinz Jörg",
    "Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schäfer Koch Bauer Groß Köhler Müller-Lüdenscheidt Weiß",
  ),
  culture(
    8,
    ["FR"],
    "François Amélie Jean-Luc Hélène Zoë Benoît Chloé Étienne Marie-Claire Théo Inès Gaëlle",
    "Lefèvre Dupont Durand Moreau Garçon D'Aubigné Bénard L'Hôpital Rousseau Béranger Mercier Lemaître",
  ),
  culture(
    9,
    ["ES", "MX"],
    "José~Pepe María Francisco~Paco Íñigo Dolores~Lola Ángel Concepción~Concha Jesús Begoña Ignacio~Nacho Lucía Raúl",
    "García Núñez López Muñoz Peña Hernández Ibáñez Martínez Gutiérrez Castaño García-Márquez Yáñez",
  ),
  culture(
    6,
    ["SE", "DK"],
    "Åsa Søren Björn Göran Ingrid Lars Märta Øyvind Sigrid Håkan Mette Jørgen",
    "Åkerlund Sørensen Lindström Nygård Bergström Jørgensen Öberg Hansen Ekström Kjær",
  ),
  culture(
    5,
    ["PL"],
    "Łukasz Małgorzata~Gosia Wojciech~Wojtek Agnieszka~Aga Zbigniew~Zbyszek Grażyna Paweł Bożena",
    "Wiśniewski Wójcik Kamiński Dąbrowska Łuczak Żukowska Piątek Źrebiec",
  ),
  culture(
    4,
    ["NL"],
    "Willem~Wim Annemarie Joost Sjoerd Femke Cornelis~Kees Maaike Thijs",
    "van_den_Berg de_Vries van_'t_Hoff Jansen ter_Horst Visser IJsselstein de_Jong",
  ),
  culture(
    5,
    ["BR"],
    "João Antônio~Tonho Conceição Luís Mônica~Moni Otávio Sebastião~Tião Letícia",
    "da_Silva Souza Araújo Gonçalves Magalhães Simões Ribeiro Conceição",
  ),
  culture(
    4,
    ["UA"],
    "Олексій=oleksii~Льоша Наталія=nataliia~Наталка Дмитро=dmytro~Діма Оксана=oksana Андрій=andrii Юлія=yuliia",
    "Шевченко=shevchenko Коваленко=kovalenko Бондаренко=bondarenko Ткачук=tkachuk Лисенко=lysenko",
  ),
  culture(
    4,
    ["JP"],
    "太郎=taro 花子=hanako 健一=kenichi 美咲=misaki 翔太=shota さくら=sakura",
    "佐藤=sato 鈴木=suzuki 高橋=takahashi 田中=tanaka 渡辺=watanabe 伊藤=ito",
  ),
  culture(3, ["CN"], "伟=wei 芳=fang 秀英=xiuying 敏=min 小明=xiaoming", "王=wang 李=li 张=zhang 刘=liu 陈=chen"),
  culture(
    4,
    ["IN"],
    "Priya Rajesh~Raj Lakshmi Venkatesh~Venky Aishwarya Sanjay Deepika~Deepu Arjun",
    "Patel Sharma Iyer Krishnamurthy Gupta Reddy Nair Banerjee",
  ),
  culture(
    4,
    ["KW"],
    "Fatima Mohammed~Mo Abdullah Nour Yousef Maryam Khalid Layla",
    "Al-Sabah Al-Mutairi Al-Rashid El-Hassan Al-Enezi Abdul-Karim",
  ),
];

const companyFirst = `Nordlicht Harbour Blue_Heron Quarry Silverline Meridian Oak_&_Ash Pinnacle Tidewater Copperfield Lumen Basalt Fjord
  Évasion Mañana Grünwald Saffron Kestrel Juniper Atlas Cobalt Marble Willow Orchard Zephyr Larkspur Cedar Indigo Halcyon Vantage`;
const companySecond = `Logistics Analytics Foods Robotics Textiles Media Energy Health Studio Freight Labs Optics Partners Software Garden
  Works Instruments Travel Print Audio`;
const companyForm: Readonly<Record<string, string>> = {
  US: "Inc.",
  CA: "Inc.",
  GB: "Ltd",
  IE: "Ltd",
  AU: "Pty Ltd",
  DE: "GmbH",
  FR: "S.A.S.",
  ES: "S.L.",
  NL: "B.V.",
  SE: "AB",
  DK: "A/S",
  JP: "K.K.",
  IN: "Pvt. Ltd.",
};

const words = (list: string) => list.split(/\s+/).map(word => word.replaceAll("_", " "));

/** First words, second words and the usual legal form by country, of which company names are made. */
export const companyParts = { first: words(companyFirst), second: words(companySecond), form: companyForm };

/** The name a web address would use for a company, without its legal form. */
export const slugOf = (company: string): string => plain(company);
