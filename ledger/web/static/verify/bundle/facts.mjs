// What a verified file proves, as sentences: [key, values] each. Only what was proven is told here.

import { periodOf } from "../evidence.mjs";
import { outcomeText } from "./pledge.mjs";

/** The sentences of what `verifyBundle` returned. `named(step)`: whether there is a word for a business step. */
export function factsOf(found, named) {
  const { bundle, root, believed, stamp, crossed, events, told, gone } = found;
  const history = events.map((event) => happened(event, named)).sort((a, b) => (a[1].time < b[1].time ? -1 : 1));
  const { left, arrived, message, sealing } = crossed;
  return [
    ["fact.about", { subject: bundle.subject }],
    ["fact.root", { dated: root.dated, epoch: root.pinned.epoch }],
    ...history,
    ...recordings(found),
    ["fact.logged", { time: utc(believed.seenBy) }],
    ...(stamp === null ? [] : [["fact.stamped", { authority: stamp.authority, time: utc(stamp.time) }]]),
    ["fact.left", blockOf(message.origin, left)],
    ...(sealing.sealed === null ? [] : [["fact.sealed", sealing.sealed]]),
    ["fact.arrived", blockOf(message.destination, arrived)],
    ...told.map(instruction),
    ...gone.map(({ entry, at, reason }) => ["fact.erased", { entry, time: utc(at), reason: { key: `erased.${reason}` } }]),
    ...doubts(found),
  ];
}

/** {chain, number, time} of a block, as sentences name it. */
export const blockOf = ({ chainId }, { number, time }) => ({ chain: `eip155:${chainId}`, number, time: utc(Number(time) * 1000) });

/** A moment to the minute; what lies beyond any calendar is told as its number. */
export function utc(milliseconds) {
  const moment = new Date(milliseconds);
  if (Number.isNaN(moment.getTime())) return String(milliseconds);
  return `${moment.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** What keeps a file from green though all of it holds. */
export const doubts = ({ findings, revoked, breaks }) => [
  ...breaks.map(({ device, number }) => ["fact.break", { device, number }]),
  ...findings.map(({ code, device, sequence }) => ["fact.doubt", { code, device, number: sequence ?? "–" }]),
  ...revoked.map(({ device, at }) => ["fact.revoked", { device, time: utc(at) }]),
];

function happened({ value }, named) {
  const step = String(value.bizStep ?? value.type).replace(/^.*[:-]BizStep-|^.*\//, "");
  return ["fact.happened", { time: utc(Date.parse(value.eventTime)), step: named(step) ? { key: `step.${step}` } : step }];
}

function recordings({ envelopes }) {
  const devices = new Map();
  for (const envelope of envelopes) {
    const { device } = envelope.statement;
    devices.set(device, devices.get(device) ?? []).get(device).push(envelope);
  }
  return [...devices].flatMap(([device, said]) => {
    const filmed = said.filter(({ statement }) => statement.kind === "segment");
    const others = said.length - filmed.length;
    return [
      ...(filmed.length > 0 ? [["fact.recordings", { device, ...lengthOf(filmed) }]] : []),
      ...(others > 0 ? [["fact.statements", { device, count: others }]] : []),
    ];
  });
}

function lengthOf(filmed) {
  const periods = filmed.map(periodOf);
  const milliseconds = filmed.reduce((sum, { statement }) => sum + statement.media.duration_ms, 0);
  return {
    count: filmed.length,
    seconds: (milliseconds / 1000).toFixed(1),
    from: utc(Math.min(...periods.map(([from]) => from))),
    until: utc(Math.max(...periods.map(([, until]) => until))),
  };
}

function instruction(told) {
  const text = outcomeText(told);
  const answer = text === "" ? { key: "fact.call-failed" } : text;
  return ["fact.asked", { ...blockOf(told.destination, told.arrived), asked: { key: `asked.${told.asked}` }, answer }];
}
