import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { freePort } from "../free-port.ts";
import { fetchKafka, kafkaFolder } from "./artifacts.ts";

/** Small and quick to start: nothing here is about throughput. */
const jvm = ["-Xmx384m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", join(kafkaFolder, "*")];

/** The only user that is known where a login is wanted; worthless anywhere else. */
export const kafkaUser = { name: "reader", password: "kafka-tests-only" };

interface Ports {
  readonly open: number;
  /** Where a login is wanted. */
  readonly login: number;
  readonly controller: number;
}

const settingsOf = (folder: string, { open: port, login, controller: controllerPort }: Ports) =>
  Object.entries({
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.quorum.voters": `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},LOGIN://127.0.0.1:${login},CONTROLLER://127.0.0.1:${controllerPort}`,
    "advertised.listeners": `PLAINTEXT://127.0.0.1:${port},LOGIN://127.0.0.1:${login}`,
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN",
    "listener.name.login.plain.sasl.jaas.config": `org.apache.kafka.common.security.plain.PlainLoginModule required user_${kafkaUser.name}="${kafkaUser.password}";`,
    "controller.listener.names": "CONTROLLER",
    "log.dirs": folder,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 1,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1_000,
    // After being killed it is let in again only when its earlier session has ended.
    "broker.session.timeout.ms": 1_500,
    "broker.heartbeat.interval.ms": 300,
    "auto.create.topics.enable": false,
    "log.retention.check.interval.ms": 500,
    "log.segment.delete.delay.ms": 100,
  })
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");

/** A formatted, empty store, made once: formatting takes a JVM of its own. */
function formatted(): string {
  const template = join(kafkaFolder, "formatted");
  if (existsSync(template)) return template;
  const partial = `${template}.${process.pid}`;
  mkdirSync(partial);
  const settings = join(kafkaFolder, `format.${process.pid}.properties`);
  writeFileSync(settings, settingsOf(partial, { open: 9092, login: 9094, controller: 9093 }));
  const tool = ["kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", settings];
  const run = spawnSync("java", [...jvm, ...tool], { encoding: "utf8" });
  if (run.status !== 0) throw new Error(`the store could not be formatted: ${run.stderr}`);
  if (!existsSync(template)) renameSync(partial, template);
  return template;
}

/** A real single-node Apache Kafka (KRaft) on loopback. */
export async function startKafka() {
  if (!fetchKafka()) throw new Error("Apache Kafka's artifacts could not be fetched: Maven and Java 17 are needed once");
  const folder = await mkdtemp(join(tmpdir(), "kafka-"));
  const ports = { open: await freePort(), login: await freePort(), controller: await freePort() };
  const store = join(folder, "store");
  await cp(formatted(), store, { recursive: true });
  const settings = join(folder, "server.properties");
  await writeFile(settings, settingsOf(store, ports));
  let child: ChildProcess | undefined;
  const start = async () => {
    child = spawn("java", [...jvm, "kafka.Kafka", settings], { stdio: "ignore", cwd: folder });
    await untilListening(ports.open, child);
  };
  const kill = async (signal: NodeJS.Signals = "SIGKILL") => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.kill(signal);
    await exit;
  };
  await start();
  return {
    broker: `127.0.0.1:${ports.open}`,
    /** The same broker, for whoever logs in as `kafkaUser`. */
    loginBroker: `127.0.0.1:${ports.login}`,
    /** Ends it; what it has written stays. */
    kill,
    /** Starts it again where it was. */
    start,
    async stop(): Promise<void> {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function untilListening(port: number, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the broker ended with ${child.exitCode}`);
    const socket = connect(port, "127.0.0.1");
    const isOpen = await Promise.race([once(socket, "connect").then(() => true), once(socket, "error").then(() => false)]).catch(
      () => false,
    );
    socket.destroy();
    if (isOpen) return;
    await wait(100);
  }
}
