import { Component, type OnInit } from "@angular/core";
import { bootstrapApplication } from "@angular/platform-browser";
import { connect } from "longhaul";
import { report } from "../round-trip.js";

@Component({ selector: "app-root", template: "<p>consumer</p>" })
class App implements OnInit {
  ngOnInit(): void {
    void report(connect, {});
  }
}

void bootstrapApplication(App);
