import { existsSync } from "node:fs";
import { RequestError } from "../core/errors.ts";
import { type BenchLimits, openBench, type Workbench } from "../mapping/bench.ts";
import { hold } from "./holds.ts";
import { named, quoted } from "../mapping/sql-text.ts";
import { type DatasetManifest, DatasetStore, FORMAT } from "./dataset.ts";

/** A dataset that is there, and where. */
export interface FoundDataset {
  readonly manifest: DatasetManifest;
  readonly path: string;
  /** The folder of the home's datasets. */
  readonly root: string;
}

/** A workbench over a dataset. */
export interface DatasetBench extends Pick<Workbench, "connection" | "run" | "rows"> {
  close(): Promise<void>;
}

/** Finds a version, the one that was built last unless given. Throws `REQUEST_INVALID` naming those that there are. */
export async function findDataset(home: string, version?: string): Promise<FoundDataset> {
  const store = new DatasetStore(home);
  const wanted = version ?? (await store.currentVersion());
  if (wanted === undefined) throw new RequestError("REQUEST_INVALID", `there is no dataset in ${home}: run a build first`);
  const manifest = isVersion(wanted) ? await store.find(wanted) : undefined;
  if (manifest !== undefined && manifest.format !== FORMAT)
    throw new RequestError("REQUEST_INVALID", `dataset ${wanted} was built by an earlier release, which kept less: build again`);
  if (manifest !== undefined) return { manifest, path: store.pathOf(wanted), root: store.root };
  const kept = (await store.all()).map(each => each.version);
  const there = kept.length === 0 ? "there is none: run a build first" : `there are ${kept.join(", ")}`;
  throw new RequestError("REQUEST_INVALID", `there is no dataset ${wanted}; ${there}`);
}

/** Whether a text has the form of a version; nothing else comes near a path. */
const isVersion = (text: string): boolean => /^[0-9a-f]{20}$/.test(text);

/** Opens a workbench that has a dataset's tables as views; until it is closed, the dataset stays. Throws `REQUEST_INVALID` for one that went meanwhile. */
export async function openDataset({ manifest, path, root }: FoundDataset, limits: BenchLimits = {}): Promise<DatasetBench> {
  const letGo = await hold(root, manifest.version);
  const bench = await openBench(null, limits);
  const close = async () => {
    bench.close();
    await letGo();
  };
  try {
    if (!existsSync(path)) throw new RequestError("REQUEST_INVALID", `dataset ${manifest.version} was removed meanwhile`);
    for (const { name, files } of manifest.tables) {
      const paths = files.map(file => quoted(`${path}/${file.name}`)).join(", ");
      await bench.run(`CREATE VIEW ${named(name)} AS FROM read_parquet([${paths}])`);
    }
    return { ...bench, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}
