// SPDX-License-Identifier: Apache-2.0
const answer = await (await fetch("keys")).json();
for (const key of answer.keys)
  document.querySelector("#keys").append(Object.assign(document.createElement("li"), {textContent: key}));
